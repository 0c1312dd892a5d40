package gateway

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// Reasons for which handshakes are refused, besides what their code says.
const (
	refusedAdmitRate  = "admit_rate"
	refusedAddress    = "connections_per_address"
	refusedUser       = "connections_per_user"
	refusedBusy       = "busy"
	refusedCapacity   = "capacity"
	refusedUnready    = "unready"
	refusedOrigin     = "origin"
	refusedNoToken    = "no_token"
	refusedToken      = "token"
	refusedRevoked    = "revoked"
	refusedKeysAway   = "keys_away"
	refusedHead       = "head"
	refusedPanic      = "panic"
	admitted          = "" // the reason of those that are not
	retryHandshake    = 5 * time.Second
	retryHandshakeMax = 2 * retryHandshake
)

// refusal is an HTTP error that answers a handshake.
type refusal struct {
	code    int
	message string
	reason  string        // one of the above
	retry   time.Duration // when to come back; 0: nobody knows
	limit   string        // that was met; empty: none
}

func (r *refusal) Error() string { return r.message }

// comeBack is when one who is refused is to come back: others are refused in the same moment, and not to come all
// at once.
func comeBack() time.Duration { return retryHandshake + rand.N(retryHandshakeMax-retryHandshake) }

// refusalDetails are those of the JSON body.
type refusalDetails struct {
	Limit      string `json:"limit,omitempty"`
	RetryAfter int64  `json:"retry_after_ms,omitempty"`
}

// response is the whole HTTP response.
func (r *refusal) response() []byte {
	body := struct {
		Code    int             `json:"code"`
		Message string          `json:"message"`
		Details *refusalDetails `json:"details,omitempty"`
	}{Code: r.code, Message: r.message}
	if d := (refusalDetails{r.limit, r.retry.Milliseconds()}); d != (refusalDetails{}) {
		body.Details = &d
	}
	text := jsonText(body)
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n",
		r.code, http.StatusText(r.code), len(text))
	if r.retry > 0 {
		fmt.Fprintf(&b, "Retry-After: %d\r\n", (r.retry+time.Second-1)/time.Second)
	}
	switch r.code {
	case http.StatusUpgradeRequired:
		b.WriteString("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n")
	case http.StatusUnauthorized:
		b.WriteString("WWW-Authenticate: Bearer\r\n")
	}
	b.WriteString("\r\n" + text)
	return b.Bytes()
}

// handshake counts one that was answered.
func (m *metrics) handshake(code int, reason string) {
	m.handshakes.WithLabelValues(strconv.Itoa(code), reason).Inc()
}
