package gateway

import (
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
)

// refusal takes a message on the loop's refuse subject: the NATS server says that nobody
// listened where a batch went. It runs on a goroutine of the NATS client.
func (l *loop) refusal(m *nats.Msg) {
	if m.Header.Get("Status") != "503" {
		return
	}
	// rt.refuse.<node>.<loop>.<out>.<slot>
	tokens := strings.Split(m.Subject, ".")
	if len(tokens) != 6 {
		return
	}
	out, err1 := strconv.Atoi(tokens[4])
	slot, err2 := strconv.ParseUint(tokens[5], 10, 8)
	if err1 == nil && err2 == nil && out >= 0 {
		l.mail.post(func(l *loop) { l.refused(out, slot) })
	}
}
