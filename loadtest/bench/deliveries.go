//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/swarm"
)

// settle lets what follows the last delivery of a round end before clocks are read.
const settle = 5 * time.Millisecond

// bench is the state of the two delivery scenarios: sockets 0 to sockets-1 are
// subscribed, the next ones publish, and then come the raw ones.
type bench struct {
	set     settings
	server  *server
	bare    *bare
	swarm   *swarm.Swarm
	watch   watch
	rawRead int   // bytes read from raw sockets
	sentAll int   // messages sent to the topic of all
	sent    []int // messages sent to each group's topic
}

// publishers is the number of publishing sockets of the topics scenario.
const publishers = 10

func measureDeliveries(ctx context.Context, set settings, rep *report, log io.Writer) (err error) {
	b := &bench{set: set, sent: make([]int, set.groups)}
	if b.server, err = startServer(ctx, set); err != nil {
		return err
	}
	defer func() {
		if e := b.server.stop(); err == nil {
			err = e
		}
	}()
	if b.bare, err = startBare(set.sockets); err != nil {
		return err
	}
	defer func() {
		if e := b.bare.close(); err == nil {
			err = e
		}
	}()
	if b.swarm, err = swarm.New(); err != nil {
		return err
	}
	defer b.swarm.Close()
	if err := b.connect(ctx, log); err != nil {
		return err
	}
	fmt.Fprintf(log, "fan-out: %d rounds of %d messages to %d sockets\n", set.rounds, set.messages, set.sockets)
	if rep.FanOut, err = b.alternate(ctx, set.rounds, b.fanOutRound); err != nil {
		return fmt.Errorf("fan-out: %w", err)
	}
	rep.FanOut.Name = fmt.Sprintf("%d sockets, one topic", set.sockets)
	fmt.Fprintf(log, "topics: %g s of %d messages a second over %d topics\n", set.seconds, set.rate, set.groups)
	if rep.Topics, err = b.alternate(ctx, groupRounds, b.groupRound); err != nil {
		return fmt.Errorf("topics: %w", err)
	}
	rep.Topics.Name = fmt.Sprintf("%d topics × %d sockets, %d msg/s", set.groups, set.sockets/set.groups, set.rate)
	return nil
}

func (b *bench) connect(ctx context.Context, log io.Writer) error {
	begin := time.Now()
	b.watch.next = make([][]int, b.set.sockets)
	for i := range b.watch.next {
		b.watch.next[i] = make([]int, slots)
	}
	b.swarm.Text = b.watch.text
	b.swarm.Raw = func(_, n int) error { b.rawRead += n; return nil }
	err := b.swarm.Dial(ctx, b.server.addr, b.set.sockets+publishers, func(i int) (swarm.Greeting, error) {
		if i >= b.set.sockets {
			return b.server.greeting(i)
		}
		return b.server.greeting(i, topicAll, groupTopic(i%b.set.groups))
	})
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	fmt.Fprintf(log, "connected %d sockets in %v\n", b.swarm.Len(), time.Since(begin).Round(time.Millisecond))
	if err := b.swarm.DialRaw(ctx, b.bare.addr, b.set.sockets); err != nil {
		return fmt.Errorf("connect to the bare program: %w", err)
	}
	return nil
}

const topicAll = "bench.all"

func groupTopic(g int) string { return fmt.Sprintf("bench.group.%d", g) }

// greeting makes every socket a user of its own, subscribed to topics.
func (s *server) greeting(i int, topics ...string) (swarm.Greeting, error) {
	token, err := s.cluster.Token(fmt.Sprintf("user-%d", i))
	g := swarm.Greeting{Token: token}
	if len(topics) > 0 {
		list := ""
		for _, t := range topics {
			list += `,"` + t + `"`
		}
		g.Messages = [][]byte{[]byte(`{"type":"Subscribe","id":"s","data":{"topics":[` + list[1:] + `]}}`)}
	}
	return g, err
}

// alternate runs the server's round and the bare program's in turns, after one
// of each that does not count.
func (b *bench) alternate(ctx context.Context, rounds int, round func(context.Context) error) (scenario, error) {
	var s scenario
	for r := range rounds + 1 {
		before := b.watch.deliveries
		server, err := cpuOf(b.server.proc.PID(), func() error { return round(ctx) })
		if err != nil {
			return s, err
		}
		delivered := b.watch.deliveries - before
		sends := b.set.messages * b.set.sockets
		bare, err := cpuOf(b.bare.pid(), func() error { return b.bareRound(ctx) })
		if err != nil {
			return s, fmt.Errorf("bare program: %w", err)
		}
		if r == 0 {
			continue
		}
		s.Deliveries += delivered
		s.server = append(s.server, micros(server, delivered))
		s.bare = append(s.bare, micros(bare, sends))
	}
	s.FrameBytes = b.watch.frameSize
	s.finish()
	return s, nil
}

// cpuOf is the CPU time that a process uses during f.
func cpuOf(pid int, f func() error) (time.Duration, error) {
	time.Sleep(settle)
	before, err := cpuTime(pid)
	if err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	time.Sleep(settle)
	after, err := cpuTime(pid)
	return after - before, err
}

// fanOutRound sends messages to the topic of all, each when everybody has read
// the one before.
func (b *bench) fanOutRound(ctx context.Context) error {
	for range b.set.messages {
		n := b.sentAll
		b.sentAll++
		deliveries, acks := b.watch.deliveries+b.set.sockets, b.watch.acks+1
		msg := broadcast(fmt.Sprintf("m%d", n), topicAll, payload(slotAll, n, b.set.payload))
		if err := b.swarm.Send(b.set.sockets, msg); err != nil {
			return err
		}
		err := b.await(ctx, func() bool { return b.watch.deliveries >= deliveries && b.watch.acks >= acks })
		if err != nil {
			return fmt.Errorf("message %d: %w: %d of %d deliveries, %d of 1 Ack", n, err,
				b.watch.deliveries-deliveries+b.set.sockets, b.set.sockets, b.watch.acks-acks+1)
		}
	}
	return nil
}

// groupRound sends at the steady rate, to one group after the other, without ids.
func (b *bench) groupRound(ctx context.Context) error {
	want := b.watch.deliveries
	begin := time.Now()
	total := int(b.set.groupRound().Seconds() * float64(b.set.rate))
	for k := range total {
		due := begin.Add(time.Duration(k) * time.Second / time.Duration(b.set.rate))
		for wait := time.Until(due); wait > 0; wait = time.Until(due) {
			if _, err := b.swarm.Poll(wait); err != nil {
				return err
			}
		}
		g := k % b.set.groups
		msg := broadcast("", groupTopic(g), payload(slotGroup, b.sent[g], b.set.payload))
		b.sent[g]++
		want += b.groupSize(g)
		// A topic has one publisher: another's messages may overtake.
		if err := b.swarm.Send(b.set.sockets+g%publishers, msg); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if err := b.await(ctx, func() bool { return b.watch.deliveries >= want }); err != nil {
		return fmt.Errorf("%w: %d deliveries missing", err, want-b.watch.deliveries)
	}
	return nil
}

// groupSize is the number of sockets in group g.
func (b *bench) groupSize(g int) int {
	n := b.set.sockets / b.set.groups
	if g < b.set.sockets%b.set.groups {
		n++
	}
	return n
}

// bareRound lets the bare program send as many frames, of the size that the
// server's last had, as a fan-out round does.
func (b *bench) bareRound(ctx context.Context) error {
	for range b.set.messages {
		want := b.rawRead + b.set.sockets*b.watch.frameSize
		if err := b.bare.write(b.watch.frameSize); err != nil {
			return err
		}
		if err := b.await(ctx, func() bool { return b.rawRead >= want }); err != nil {
			return fmt.Errorf("%w: %d bytes missing", err, want-b.rawRead)
		}
	}
	return nil
}

// await polls until done.
func (b *bench) await(ctx context.Context, done func() bool) error {
	for end := time.Now().Add(b.set.patience); !done(); {
		if err := ctx.Err(); err != nil {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("not complete after %v", b.set.patience)
		}
		if _, err := b.swarm.Poll(100 * time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
