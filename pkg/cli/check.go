package cli

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/realtime-cluster/realtime/pkg/auth"
)

// The users of Check.
const (
	checkReader = "realtime-check-reader"
	checkWriter = "realtime-check-writer"
)

// Check sends a message through a cluster: one user subscribes to a topic, another publishes to it, and both the sender's Ack
// and the delivery have to come in time. The tokens are signed with JWT_SECRET. It returns the exit code: 0 when they came,
// 1 when not, 2 for a wrong call.
func Check(args []string, lookup func(string) (string, bool), stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	url := flags.String("url", "ws://127.0.0.1:"+setting("PORT", lookup)+"/ws", "")
	limit := flags.Duration("timeout", 30*time.Second, "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp) || AsksHelp(flags.Args()):
		return Help([]string{"check"}, stdout, stderr)
	case err != nil:
		fmt.Fprintf(stderr, "realtime: %v; try: realtime help check\n", err)
		return 2
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "realtime: unexpected argument %q; try: realtime help check\n", flags.Arg(0))
		return 2
	}
	secret := setting("JWT_SECRET", lookup)
	if secret == "" {
		fmt.Fprintln(stderr, "realtime: JWT_SECRET: required, the tokens of the check are signed with it")
		return 2
	}
	ctx, cancel := context.WithTimeout(context.Background(), *limit)
	defer cancel()
	took, err := check(ctx, *url, func(user string) (string, error) {
		return auth.Mint(auth.Secret(secret), auth.TokenSpec{
			User: user, Issuer: setting("JWT_ISSUER", lookup), Audience: setting("JWT_AUDIENCE", lookup),
			TTL: *limit + time.Minute, Now: time.Now(),
		})
	})
	if err != nil {
		fmt.Fprintln(stderr, "realtime:", err)
		return 1
	}
	fmt.Fprintf(stdout, "a message was accepted and delivered within %s\n", took.Round(10*time.Microsecond))
	return 0
}

// check is Check without the command line. It tells how long the message took from the sender to both answers.
func check(ctx context.Context, url string, mint func(user string) (string, error)) (time.Duration, error) {
	reader, err := join(ctx, url, checkReader, mint)
	if err != nil {
		return 0, fmt.Errorf("the subscriber: %w", err)
	}
	defer reader.close()
	writer, err := join(ctx, url, checkWriter, mint)
	if err != nil {
		return 0, fmt.Errorf("the sender: %w", err)
	}
	defer writer.close()

	name := "realtime.check." + rand.Text()
	if err := reader.send("Subscribe", map[string]any{"topics": []string{name}}); err != nil {
		return 0, fmt.Errorf("subscribe: %w", err)
	}
	if _, err := reader.await("Status"); err != nil {
		return 0, fmt.Errorf("subscribe: %w", err)
	}
	begin := time.Now()
	if err := writer.send("Broadcast", map[string]any{"topic": name, "payload": name}); err != nil {
		return 0, fmt.Errorf("send: %w", err)
	}
	if _, err := writer.await("Ack"); err != nil {
		return 0, fmt.Errorf("the Ack: %w", err)
	}
	got, err := reader.await("Broadcast")
	if err != nil {
		return 0, fmt.Errorf("the delivery: %w", err)
	}
	if got.Topic != name || got.From != checkWriter {
		return 0, fmt.Errorf("the delivery: topic %q from %q, not what was sent", got.Topic, got.From)
	}
	return time.Since(begin), nil
}

// visitor is one WebSocket of Check.
type visitor struct {
	conn   net.Conn
	stream io.ReadWriter
}

// join opens a WebSocket as user and awaits the welcome.
func join(ctx context.Context, url, user string, mint func(user string) (string, error)) (*visitor, error) {
	token, err := mint(user)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	dialer := ws.Dialer{Header: ws.HandshakeHeaderHTTP(http.Header{"Authorization": {"Bearer " + token}})}
	conn, buffered, _, err := dialer.Dial(ctx, url)
	if err != nil {
		return nil, err
	}
	v := &visitor{conn: conn, stream: conn}
	if buffered != nil { // frames that came with the answer to the upgrade
		v.stream = struct {
			io.Reader
			io.Writer
		}{buffered, conn}
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	if _, err := v.await("Status"); err != nil {
		v.close()
		return nil, fmt.Errorf("welcome: %w", err)
	}
	return v, nil
}

func (v *visitor) close() {
	_ = wsutil.WriteClientMessage(v.conn, ws.OpClose, ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))
	_ = v.conn.Close()
}

func (v *visitor) send(kind string, data map[string]any) error {
	text, err := json.Marshal(map[string]any{"type": kind, "id": rand.Text(), "data": data})
	if err != nil {
		return err
	}
	return wsutil.WriteClientText(v.stream, text)
}

// answer is what Check reads of a message from the cluster.
type answer struct {
	Topic   string `json:"topic"`
	From    string `json:"from_user"`
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// await reads until a message of the type kind comes; an Error is one.
func (v *visitor) await(kind string) (answer, error) {
	for {
		text, err := wsutil.ReadServerText(v.stream)
		if err != nil {
			return answer{}, err
		}
		var m struct {
			Type string `json:"type"`
			Data answer `json:"data"`
		}
		if err := json.Unmarshal(text, &m); err != nil {
			return answer{}, fmt.Errorf("not a message: %w", err)
		}
		switch m.Type {
		case kind:
			return m.Data, nil
		case "Error":
			return answer{}, fmt.Errorf("error %d: %s", m.Data.Code, m.Data.Message)
		}
	}
}

const checkHelp = `Usage: realtime check [-url ws://127.0.0.1:8081/ws] [-timeout 30s]

send a message through a cluster, from one user to another: exit code 0 when it was accepted and delivered, 1 when not.
JWT_SECRET signs the tokens, JWT_ISSUER and JWT_AUDIENCE are their iss and aud
`
