//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
	"github.com/realtime-cluster/realtime/loadtest/swarm"
)

// directReport compares a direct message with a Broadcast to one subscriber, from
// one connection to another.
type directReport struct {
	Name      string   `json:"name"`
	Messages  int      `json:"messages"` // of each kind
	Rate      int      `json:"messages_a_second"`
	Direct    oneToOne `json:"direct"`
	Broadcast oneToOne `json:"broadcast"`
	Ratio     float64  `json:"ratio"` // of the CPU medians
}

// oneToOne is what messages from one connection to one other took.
type oneToOne struct {
	Latency spread                   `json:"latency"`
	CPU     figures                  `json:"us_per_message"` // of all servers
	Roles   map[cluster.Role]float64 `json:"us_per_message_by_role"`

	times histogram
	cpu   []float64 // by round
	roles roleTimes
	n     int
}

const directRounds = 4 // of each kind; the first does not count

// pairs is the scenario: the first sockets send, the others receive.
type pairs struct {
	sys   *system
	swarm *swarm.Swarm
	watch watch
	n     int           // pairs
	sent  [][]time.Time // by slot, then number: message k goes from sender k%n to its receiver
	times *histogram
	got   int
}

func measureDirect(ctx context.Context, set settings, log io.Writer) (reps []directReport, err error) {
	for _, in := range oneAndSplit {
		fmt.Fprintf(log, "direct: %d pairs, %d messages a second, %s\n", set.pairs, set.directRate, in.name)
		rep, err := measurePairs(ctx, set, in.spec)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", in.name, err)
		}
		rep.Name = in.name
		reps = append(reps, *rep)
	}
	return reps, nil
}

func measurePairs(ctx context.Context, set settings, spec cluster.Spec) (rep *directReport, err error) {
	sys, err := startSystem(ctx, set, spec)
	if err != nil {
		return nil, err
	}
	defer func() { err = sys.stop(err) }()
	p := &pairs{sys: sys, n: set.pairs, sent: make([][]time.Time, slots)}
	if p.swarm, err = swarm.New(); err != nil {
		return nil, err
	}
	defer p.swarm.Close()
	p.swarm.Text = p.text
	if err := p.connect(ctx); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	rep = &directReport{Rate: set.directRate}
	for r := range directRounds {
		for slot, to := range []*oneToOne{slotTopic: &rep.Broadcast, slotOther: &rep.Direct} {
			if err := p.round(ctx, set, slot, to, r > 0); err != nil {
				return nil, err
			}
		}
	}
	rep.Direct.finish()
	rep.Broadcast.finish()
	rep.Messages = rep.Direct.n
	rep.Ratio = rep.Direct.CPU.Median / rep.Broadcast.CPU.Median
	return rep, nil
}

// connect opens the senders at the first gateway and the receivers at the last.
func (p *pairs) connect(ctx context.Context) error {
	p.watch.next = make([][]int, 2*p.n)
	for i := range p.watch.next {
		p.watch.next[i] = make([]int, slots)
	}
	for _, at := range []int{0, len(p.sys.addrs) - 1} {
		err := p.swarm.Dial(ctx, p.sys.addrs[at], p.n, func(i int) (swarm.Greeting, error) {
			if i < p.n {
				return greeting(i)
			}
			return greeting(i, pairTopic(i-p.n))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func pairTopic(i int) string { return fmt.Sprintf("bench.pair.%d", i) }

// round sends messages of one kind at the set rate.
func (p *pairs) round(ctx context.Context, set settings, slot int, to *oneToOne, counts bool) error {
	var times histogram
	p.times = &times
	total := int(set.directSeconds * float64(set.directRate) / (2 * directRounds))
	cost, err := p.sys.costOf(func() error {
		got, acks := p.got+total, p.watch.acks+total
		err := pace(ctx, p.swarm, set.directRate, total, func(int) error { return p.send(slot, set.payload) })
		if err != nil {
			return err
		}
		return pollUntil(ctx, p.swarm, set.patience, func() bool { return p.got >= got && p.watch.acks >= acks })
	})
	if err != nil || !counts {
		return err
	}
	to.n += total
	to.times.merge(&times)
	to.cpu = append(to.cpu, micros(cost.sum(), total))
	if to.roles == nil {
		to.roles = make(roleTimes)
	}
	for role, d := range cost {
		to.roles[role] += d
	}
	return nil
}

// send sends the next message of a kind: with an id, so that it is acked.
func (p *pairs) send(slot, size int) error {
	k := len(p.sent[slot])
	from := k % p.n
	body := payload(slot, k/p.n, size)
	p.sent[slot] = append(p.sent[slot], time.Now())
	if slot == slotTopic {
		return p.swarm.Send(from, broadcast(fmt.Sprintf("b%d", k), pairTopic(from), body))
	}
	return p.swarm.Send(from, fmt.Appendf(nil, `{"type":"DirectMessage","id":"d%d","data":{"target_user":%q,"payload":%s}}`,
		k, userName(p.n+from), body))
}

// text is the swarm's callback.
func (p *pairs) text(socket int, text []byte) error {
	before := p.watch.deliveries
	if err := p.watch.text(socket, text); err != nil || p.watch.deliveries == before {
		return err
	}
	slot := slotTopic
	if bytes.HasPrefix(text, []byte(`{"type":"DirectMessage"`)) {
		slot = slotOther
	}
	k := (p.watch.next[socket][slot]-1)*p.n + socket - p.n
	p.times.add(time.Since(p.sent[slot][k]))
	p.got++
	return nil
}

func (o *oneToOne) finish() {
	o.Latency, o.CPU, o.Roles = o.times.spread(), sum(o.cpu), o.roles.per(o.n)
}
