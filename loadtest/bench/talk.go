//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/swarm"
)

// listeners is how many subscribers the topic of each talker has.
const listeners = 4

// talk is connections that each send to a topic of their own, and listen to those of the next few.
type talk struct {
	sys      *system
	swarm    *swarm.Swarm
	n        int
	rate     int // messages a second, of all together
	length   time.Duration
	size     int
	patience time.Duration

	sent  [][]time.Time    // by talker, then number
	next  [][listeners]int // by talker, then how far ahead the other is, less one: the number it must see next
	got   int
	acks  int
	total int // messages
	times *histogram
}

func newTalk(ctx context.Context, sys *system, set settings) (*talk, error) {
	t := &talk{
		sys: sys, n: set.talkers, rate: set.talkRate, size: set.payload, patience: set.patience,
		length: time.Duration(set.floodSeconds * float64(time.Second)),
		sent:   make([][]time.Time, set.talkers), next: make([][listeners]int, set.talkers), times: new(histogram),
	}
	var err error
	if t.swarm, err = swarm.New(); err != nil {
		return nil, err
	}
	t.swarm.Text = t.text
	err = t.swarm.Dial(ctx, sys.addrs[0], t.n, func(i int) (swarm.Greeting, error) {
		var topics []string
		for k := range listeners {
			topics = append(topics, talkTopic((i+k+1)%t.n))
		}
		return greeting(i, topics...)
	})
	if err != nil {
		t.swarm.Close()
		return nil, fmt.Errorf("connect: %w", err)
	}
	return t, nil
}

const talkPrefix = "bench.talk."

func talkTopic(i int) string { return fmt.Sprintf("%s%d", talkPrefix, i) }

// round has everybody talk for a while. Each message must be acked, and reach all who listen.
func (t *talk) round(ctx context.Context) (c talkCost, err error) {
	t.times = new(histogram)
	count := int(t.length.Seconds() * float64(t.rate))
	c.roles, err = t.sys.costOf(func() error {
		begin := time.Now()
		if err := pace(ctx, t.swarm, t.rate, count, t.say); err != nil {
			return err
		}
		err := pollUntil(ctx, t.swarm, t.patience, func() bool { return t.acks == t.total && t.got == t.total*listeners })
		c.took = time.Since(begin)
		return err
	})
	if err != nil {
		return c, fmt.Errorf("%d of %d Acks, %d of %d deliveries: %w", t.acks, t.total, t.got, t.total*listeners, err)
	}
	c.Latency = t.times.spread()
	c.CPU = 100 * float64(c.roles.sum()) / float64(c.took)
	return c, nil
}

func (t *talk) say(int) error {
	from := t.total % t.n
	body := payload(slotAll, len(t.sent[from]), t.size)
	t.sent[from] = append(t.sent[from], time.Now())
	t.total++
	return t.swarm.Send(from, broadcast(fmt.Sprintf("t%d", t.total), talkTopic(from), body))
}

// text is the swarm's callback.
func (t *talk) text(socket int, text []byte) error {
	_, rest, found := bytes.Cut(text, []byte(`"topic":"`+talkPrefix))
	kind := kindOf(text)
	switch {
	case kind == "Ack":
		t.acks++
		return nil
	case kind != "Broadcast" || !found:
		return fmt.Errorf("the server answered %.300s", text)
	}
	from, rest := number(rest)
	_, rest, _ = bytes.Cut(rest, []byte(`"seq":`))
	n, _ := number(rest)
	ahead := (from - socket - 1 + t.n) % t.n
	if from < 0 || from >= t.n || ahead >= listeners {
		return fmt.Errorf("unexpected delivery %.300s", text)
	}
	if want := t.next[socket][ahead]; n != want {
		return fmt.Errorf("message %d arrived where %d was due: lost, doubled or reordered", n, want)
	}
	t.next[socket][ahead]++
	t.got++
	t.times.add(time.Since(t.sent[from][n]))
	return nil
}
