package loadtest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
)

// publisher sends at a steady rate to one topic after the other.
type publisher struct {
	index    int // static
	load     *Load
	rec      *recorder
	conn     *client.Client
	inFlight atomic.Int64
}

// run publishes until ctx ends or the connection does.
func (p *publisher) run(ctx context.Context) {
	interval := time.Duration(float64(time.Second) / p.load.Rate)
	// Publishers take turns rather than all sending at the same moment.
	next := time.Now().Add(interval * time.Duration(p.index) / time.Duration(p.load.publishers()))
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	for k := p.index; ; k++ {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		case <-p.conn.Done():
			return
		}
		p.publish(k % p.load.Topics)
		next = next.Add(interval)
		timer.Reset(time.Until(next))
	}
}

func (p *publisher) publish(topic int) {
	if p.inFlight.Load() >= maxInFlight {
		p.rec.skip()
		return
	}
	p.inFlight.Add(1)
	m := p.rec.sending(p.index, topic)
	err := p.conn.Publish(p.load.topic(topic), m.payload(p.load.Payload), func(_ client.Ack, err error) {
		p.inFlight.Add(-1)
		p.answered(m, err)
	})
	if err != nil {
		p.inFlight.Add(-1) // the message counts as unanswered, the connection as lost
	}
}

func (p *publisher) answered(m mark, err error) {
	var refusal *client.ServerError
	switch {
	case err == nil:
		p.rec.acked(m.pub, m.n)
	case errors.As(err, &refusal):
		p.rec.refused(m.pub, m.n, refusal.Code)
	}
}

// other keeps what a publisher's connection got beside its answers: a second
// answer would be among it.
func (p *publisher) other(m client.Message) {
	p.rec.other(fmt.Sprintf("publisher %d: %s %s %.200s", p.index, m.Type, m.ID, m.Data))
}
