package gateway

import (
	"github.com/nats-io/nats.go"

	"github.com/realtime-cluster/realtime/pkg/wire"
)

// refusal takes a message on the loop's refuse subject: the NATS server says that nobody
// listened where a batch went. It runs on a goroutine of the NATS client.
func (l *loop) refusal(m *nats.Msg) {
	if m.Header.Get("Status") != "503" {
		return
	}
	if number, seq, ok := wire.ParseRefuse(m.Subject); ok {
		l.mail.post(func(l *loop) { l.refused(number, seq) })
	}
}
