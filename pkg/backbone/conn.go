package backbone

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

const (
	// A lost connection tries the other servers of the cluster at once, then all
	// of them again and again at this pace, so that a role is back within a second
	// of its server.
	reconnectWait   = 100 * time.Millisecond
	reconnectJitter = 100 * time.Millisecond

	// dialTimeout bounds one attempt on one server, greeting included.
	dialTimeout = 2 * time.Second

	// A peer that vanished without closing is noticed after two unanswered pings.
	pingInterval = 3 * time.Second
	pingsOut     = 2

	// writeTimeout bounds a write to a server that reads no more. Whoever publishes waits for it: less long than supervise takes a part for stuck.
	writeTimeout = 6 * time.Second
)

// ConnConfig configures one connection to NATS.
type ConnConfig struct {
	Server         nats.InProcessConnProvider // the embedded server; then URLs are not used
	URLs           []string                   // any of them will do
	Name           string                     // what NATS lists the connection as
	Credentials    string                     // file name; empty: none
	ConnectTimeout time.Duration              // how long to wait for the first connection; 0: one attempt
	Metrics        *Metrics
	Log            *zap.Logger
}

// Connect connects to NATS, trying for cfg.ConnectTimeout. The connection then
// lives until it is closed: it reconnects without end, and while it is away a
// publish fails with nats.ErrReconnectBufExceeded at once, because nothing is
// buffered. Its error is one line that begins with NATS_URL or NATS_CREDENTIALS and holds no
// credentials; where ctx ended first, it wraps ctx.Err().
func Connect(ctx context.Context, cfg ConnConfig) (*nats.Conn, error) {
	deadline := time.Now().Add(cfg.ConnectTimeout)
	for {
		nc, err := nats.Connect(strings.Join(cfg.URLs, ","), options(cfg)...)
		if err == nil {
			cfg.Metrics.add(nc)
			return nc, nil
		}
		if refused(err) || errors.As(err, new(credentialsError)) || time.Until(deadline) <= reconnectWait {
			return nil, connectError(cfg, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("NATS_URL: %w", ctx.Err())
		case <-time.After(reconnectWait):
		}
	}
}

// options are those of one attempt.
func options(cfg ConnConfig) []nats.Option {
	w := &watch{log: cfg.Log.With(zap.String("connection", cfg.Name)), metrics: cfg.Metrics}
	options := []nats.Option{
		nats.Name(cfg.Name),
		nats.Timeout(dialTimeout),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(), // a server may come back before its accounts do
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectJitter, reconnectJitter),
		nats.ReconnectBufSize(-1),
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(pingsOut),
		nats.FlusherTimeout(writeTimeout),
		nats.ConnectHandler(w.connected),
		nats.DisconnectErrHandler(w.disconnected),
		nats.ReconnectHandler(w.reconnected),
		nats.ErrorHandler(w.failed),
		nats.ClosedHandler(w.closed),
	}
	if cfg.Server != nil {
		options = append(options, nats.InProcessServer(cfg.Server))
	}
	if cfg.Credentials != "" {
		options = append(options, userCredentials(cfg.Credentials))
	}
	return options
}

// credentialsError is what is wrong with the file of NATS_CREDENTIALS.
type credentialsError struct{ error }

// userCredentials is nats.UserCredentials with errors that can be told from NATS's own.
func userCredentials(file string) nats.Option {
	return func(o *nats.Options) error {
		if err := nats.UserCredentials(file)(o); err != nil {
			return err
		}
		readJWT, sign := o.UserJWT, o.SignatureCB
		o.UserJWT = func() (string, error) {
			token, err := readJWT()
			return token, ofCredentials(err)
		}
		o.SignatureCB = func(nonce []byte) ([]byte, error) {
			signature, err := sign(nonce)
			return signature, ofCredentials(err)
		}
		return nil
	}
}

func ofCredentials(err error) error {
	if err == nil {
		return nil
	}
	return credentialsError{err}
}

// refused reports whether a server answered and did not let the client in, so
// that trying again cannot help.
func refused(err error) bool {
	for _, target := range []error{nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// connectError is what Connect tells the user.
func connectError(cfg ConnConfig, err error) error {
	servers := "the embedded server"
	if cfg.Server == nil {
		servers = redact(cfg.URLs)
	}
	// An error about a URL repeats it, password and all.
	if inURL := new(url.Error); errors.As(err, &inURL) {
		err = inURL.Err
	}
	if bad := (credentialsError{}); errors.As(err, &bad) {
		return fmt.Errorf("NATS_CREDENTIALS: %w", bad.error)
	}
	switch {
	case refused(err):
		return fmt.Errorf("NATS_URL: %s refused the credentials: %w", servers, err)
	case errors.Is(err, nats.ErrNoServers):
		return fmt.Errorf("NATS_URL: cannot reach %s within %v: %w", servers, cfg.ConnectTimeout, errNoAnswer)
	default:
		return fmt.Errorf("NATS_URL: cannot reach %s within %v: %w", servers, cfg.ConnectTimeout, err)
	}
}

// errNoAnswer stands for what nats calls "no servers available for connection":
// every address refused the connection.
var errNoAnswer = errors.New("connection refused")

// redact lists URLs without what logs one in.
func redact(urls []string) string {
	shown := make([]string, len(urls))
	for i, text := range urls {
		shown[i] = "(not a URL)"
		if u, err := url.Parse(text); err == nil {
			u.User = nil
			shown[i] = u.String()
		}
	}
	return strings.Join(shown, ", ")
}
