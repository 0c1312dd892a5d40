package gateway

import (
	"cmp"
	"slices"
	"time"

	"github.com/realtime-cluster/realtime/pkg/control"
)

// slowTime is how long Slow waits for a loop.
const slowTime = time.Second

// Slow returns the up to n clients for whom the most bytes wait because they do not read. Loops in which nothing waits are
// not disturbed; the others look at each of their connections.
func (g *Gateway) Slow(n int) []control.SlowClient {
	var all []control.SlowClient
	late := time.After(slowTime)
	for _, l := range g.loops {
		answer := make(chan []control.SlowClient, 1)
		l.mail.post(func(l *loop) { answer <- l.slow(n) })
		select {
		case list := <-answer:
			all = append(all, list...)
		case <-l.over: // it failed, and has nobody
		case <-late: // it is busy, or has failed with the question
		}
	}
	return slowest(all, n)
}

func (l *loop) slow(n int) (list []control.SlowClient) {
	if l.waiting+l.tally.outbox == 0 {
		return nil
	}
	l.conns.each(func(c *conn) {
		if c.out != nil {
			list = append(list, control.SlowClient{User: c.user, Waiting: len(c.out.buf)})
		}
	})
	return slowest(list, n)
}

func slowest(list []control.SlowClient, n int) []control.SlowClient {
	slices.SortFunc(list, func(a, b control.SlowClient) int {
		return cmp.Or(cmp.Compare(b.Waiting, a.Waiting), cmp.Compare(a.User, b.User))
	})
	return slices.Clone(list[:min(n, len(list))])
}
