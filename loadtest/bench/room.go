//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
	"github.com/realtime-cluster/realtime/loadtest/swarm"
	"github.com/realtime-cluster/realtime/loadtest/usage"
)

// roomReport is a large room, and beside it a topic with the same connections.
type roomReport struct {
	Members int `json:"members"`

	JoinSeconds     float64                  `json:"join_seconds"`
	JoinCPU         float64                  `json:"us_per_join"`
	JoinRoles       map[cluster.Role]float64 `json:"us_per_join_by_role"`
	EventsPerMember float64                  `json:"events_per_member"` // frames that each got while all joined
	PresenceBytes   float64                  `json:"presence_bytes_per_member"`

	Room  oneToMany `json:"room"`
	Topic oneToMany `json:"topic"`
	Ratio float64   `json:"ratio"` // of the CPU medians
}

// oneToMany is what messages to all of them took.
type oneToMany struct {
	Messages int     `json:"messages"`
	Latency  spread  `json:"latency"`
	CPU      figures `json:"us_per_delivery"` // of all servers

	times histogram
	cpu   []float64
}

const (
	roomGateways = 4
	roomRounds   = 5 // of each kind; the first does not count
	roomMessages = 3 // of one round, each when the one before has been read by everybody
)

// roomRun is the scenario: crowds, and one more socket that publishes.
type roomRun struct {
	sys    *system
	crowds []*crowd
	swarm  *swarm.Swarm
	size   int // of a payload
	sent   [slots]int
	acks   int
}

func measureRoom(ctx context.Context, set settings, log io.Writer) (rep *roomReport, err error) {
	sys, err := startSystem(ctx, set, cluster.Spec{NATS: 1, Redis: true, Gateways: roomGateways, Routers: 1, Presences: 2})
	if err != nil {
		return nil, err
	}
	defer func() { err = sys.stop(err) }()
	r := &roomRun{sys: sys, size: set.payload}
	if r.swarm, err = swarm.New(); err != nil {
		return nil, err
	}
	defer r.swarm.Close()
	r.swarm.Text = r.text
	defer func() {
		for _, c := range r.crowds {
			c.close()
		}
	}()
	rep = &roomReport{Members: set.members}
	fmt.Fprintf(log, "room: %d connections on %d gateways\n", set.members, roomGateways)
	if err := r.connect(ctx, set.members-1); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	fmt.Fprintf(log, "room: they join\n")
	if err := r.join(rep); err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	fmt.Fprintf(log, "room: %d messages, and as many to a topic\n", (roomRounds-1)*roomMessages)
	for n := range roomRounds {
		for slot, to := range []*oneToMany{slotTopic: &rep.Topic, slotOther: &rep.Room} {
			if err := r.round(ctx, slot, to, n > 0); err != nil {
				return nil, err
			}
		}
	}
	for _, o := range []*oneToMany{&rep.Room, &rep.Topic} {
		o.Latency, o.CPU = o.times.spread(), sum(o.cpu)
	}
	rep.Ratio = rep.Room.CPU.Median / rep.Topic.CPU.Median
	return rep, nil
}

// connect opens all, the publisher last; it makes the room, and is a member and a
// subscriber as the others are.
func (r *roomRun) connect(ctx context.Context, n int) error {
	count := (n + crowdSize - 1) / crowdSize
	for i := range count {
		c, err := startCrowd()
		if err != nil {
			return err
		}
		r.crowds = append(r.crowds, c)
		first := n * i / count
		if err := c.give(order{Do: doConnect, Addrs: r.sys.addrs, First: first, Count: n*(i+1)/count - first}); err != nil {
			return err
		}
	}
	if _, err := r.answers(); err != nil {
		return err
	}
	return r.swarm.Dial(ctx, r.sys.addrs[0], 1, func(int) (swarm.Greeting, error) {
		g, err := greeting(n, topicAll)
		g.Messages = append(g.Messages, []byte(`{"type":"CreateRoom","id":"c","data":{"room":"`+crowdRoom+`"}}`))
		return g, err
	})
}

// all gives every crowd the same order and waits for the answers.
func (r *roomRun) all(o order) ([]crowdAnswer, error) {
	for _, c := range r.crowds {
		if err := c.give(o); err != nil {
			return nil, err
		}
	}
	return r.answers()
}

func (r *roomRun) answers() ([]crowdAnswer, error) {
	list := make([]crowdAnswer, len(r.crowds))
	for i, c := range r.crowds {
		var err error
		if list[i], err = c.answer(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (r *roomRun) join(rep *roomReport) error {
	before, err := r.presenceMemory()
	if err != nil {
		return err
	}
	events := 0
	cost, err := r.sys.costOf(func() error {
		for _, do := range []string{doJoin, doRest} {
			list, err := r.all(order{Do: do})
			if err != nil {
				return err
			}
			for _, a := range list {
				events += a.Events
				if do == doJoin {
					rep.JoinSeconds = max(rep.JoinSeconds, a.Took.Seconds())
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	after, err := r.presenceMemory()
	if err != nil {
		return err
	}
	n := rep.Members - 1
	rep.JoinCPU, rep.JoinRoles = micros(cost.sum(), n), cost.per(n)
	rep.EventsPerMember = float64(events) / float64(n)
	rep.PresenceBytes = float64(after-before) / float64(n)
	return nil
}

// presenceMemory is what the presence nodes hold.
func (r *roomRun) presenceMemory() (all int64, err error) {
	for _, p := range r.sys.cluster.Presences {
		rss, err := usage.Resident(p.PID())
		if err != nil {
			return 0, err
		}
		all += rss
	}
	return all, nil
}

// round sends messages of one kind, each when everybody has read the one before.
func (r *roomRun) round(ctx context.Context, slot int, to *oneToMany, counts bool) error {
	n, times := 0, histogram{}
	cost, err := r.sys.costOf(func() error {
		for range roomMessages {
			if err := r.send(slot); err != nil {
				return err
			}
			acks := r.acks + 1
			list, err := r.all(order{Do: doAwait, Slot: slot, Total: r.sent[slot]})
			if err != nil {
				return err
			}
			for _, a := range list {
				times.merge(a.Times)
				n += a.Times.N
			}
			if err := pollUntil(ctx, r.swarm, 10*time.Second, func() bool { return r.acks >= acks }); err != nil {
				return fmt.Errorf("the Ack: %w", err)
			}
		}
		return nil
	})
	if err != nil || !counts {
		return err
	}
	to.Messages += roomMessages
	to.times.merge(&times)
	to.cpu = append(to.cpu, micros(cost.sum(), n))
	return nil
}

func (r *roomRun) send(slot int) error {
	body := stamped(slot, r.sent[slot], r.size, time.Now())
	r.sent[slot]++
	if slot == slotTopic {
		return r.swarm.Send(0, broadcast("m", topicAll, body))
	}
	return r.swarm.Send(0, []byte(`{"type":"RoomMessage","id":"m","data":{"room":"`+crowdRoom+`","payload":`+body+`}}`))
}

// text is the swarm's callback, for the publisher.
func (r *roomRun) text(_ int, text []byte) error {
	switch kindOf(text) {
	case "Ack":
		r.acks++
	case "Error":
		return fmt.Errorf("the server answered %.300s", text)
	}
	return nil
}
