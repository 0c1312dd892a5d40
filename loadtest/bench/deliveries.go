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

// settle lets what follows the last delivery of a round end before clocks are read.
const settle = 5 * time.Millisecond

// bench is the state of the two delivery scenarios: sockets 0 to sockets-1 are
// subscribed, the next ones publish, and then come the raw ones.
type bench struct {
	set     settings
	sys     *system
	pids    []int // of the servers
	bare    *bare
	swarm   *swarm.Swarm
	watch   watch
	rawRead int   // bytes read from raw sockets
	sentAll int   // messages sent to the topic of all
	sent    []int // messages sent to each group's topic
}

// publishers is the number of publishing sockets of the topics scenario.
const publishers = 10

func measureDeliveries(ctx context.Context, set settings, log io.Writer) (list []*scenario, err error) {
	systems := oneAndSplit
	if set.alone {
		systems = systems[:1]
	}
	for _, in := range systems {
		some, err := measureDeliveriesIn(ctx, set, in.spec, log)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", in.name, err)
		}
		for _, s := range some {
			s.System = in.name
		}
		list = append(list, some...)
	}
	return list, nil
}

func measureDeliveriesIn(ctx context.Context, set settings, spec cluster.Spec, log io.Writer) (list []*scenario, err error) {
	b := &bench{set: set, sent: make([]int, set.groups)}
	if b.sys, err = startSystem(ctx, set, spec); err != nil {
		return nil, err
	}
	defer func() { err = b.sys.stop(err) }()
	for _, p := range b.sys.cluster.Processes() {
		b.pids = append(b.pids, p.PID())
	}
	if b.bare, err = startBare(set.sockets); err != nil {
		return nil, err
	}
	defer func() { err = b.bare.stop(err) }()
	if b.swarm, err = swarm.New(); err != nil {
		return nil, err
	}
	defer b.swarm.Close()
	if err := b.connect(ctx, log); err != nil {
		return nil, err
	}
	fmt.Fprintf(log, "fan-out: %d rounds of %d messages to %d sockets\n", set.rounds, set.messages, set.sockets)
	all, err := b.alternate(ctx, set.rounds, b.fanOutRound, b.bareFanOut)
	if err != nil {
		return nil, fmt.Errorf("fan-out: %w", err)
	}
	all.Name = fmt.Sprintf("%d sockets, one topic", set.sockets)
	fmt.Fprintf(log, "topics: %g s of %d messages a second over %d topics\n", set.seconds, set.rate, set.groups)
	groups, err := b.alternate(ctx, groupRounds, b.groupRound, b.bareGroups)
	if err != nil {
		return nil, fmt.Errorf("topics: %w", err)
	}
	groups.Name = fmt.Sprintf("%d topics × %d sockets, %d msg/s", set.groups, set.sockets/set.groups, set.rate)
	return []*scenario{all, groups}, nil
}

func (b *bench) connect(ctx context.Context, log io.Writer) error {
	begin := time.Now()
	b.watch.next = make([][]int, b.set.sockets)
	for i := range b.watch.next {
		b.watch.next[i] = make([]int, slots)
	}
	b.swarm.Text = b.watch.text
	b.swarm.Raw = func(_, n int) error { b.rawRead += n; return nil }
	for at, addr := range b.sys.addrs {
		n := b.set.sockets*(at+1)/len(b.sys.addrs) - b.swarm.Len()
		if at == len(b.sys.addrs)-1 {
			n += publishers
		}
		err := b.swarm.Dial(ctx, addr, n, func(i int) (swarm.Greeting, error) {
			if i >= b.set.sockets {
				return greeting(i)
			}
			return greeting(i, topicAll, groupTopic(i%b.set.groups))
		})
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
	}
	fmt.Fprintf(log, "connected %d sockets in %v\n", b.swarm.Len(), time.Since(begin).Round(time.Millisecond))
	if err := b.swarm.DialRaw(ctx, b.bare.addr, b.set.sockets); err != nil {
		return fmt.Errorf("connect to the bare program: %w", err)
	}
	return nil
}

const topicAll = "bench.all"

func groupTopic(g int) string { return fmt.Sprintf("bench.group.%d", g) }

func userName(i int) string { return fmt.Sprintf("user-%d", i) }

// greeting makes every socket a user of its own, subscribed to topics.
func greeting(i int, topics ...string) (swarm.Greeting, error) {
	t, err := token(userName(i))
	g := swarm.Greeting{Token: t}
	if len(topics) > 0 {
		list := ""
		for _, t := range topics {
			list += `,"` + t + `"`
		}
		g.Messages = [][]byte{[]byte(`{"type":"Subscribe","id":"s","data":{"topics":[` + list[1:] + `]}}`)}
	}
	return g, err
}

// A round makes a process deliver and returns how often it did.
type round func(context.Context) (int, error)

// alternate runs the server's round and the bare program's in turns, after one
// of each that does not count.
func (b *bench) alternate(ctx context.Context, rounds int, server, bare round) (*scenario, error) {
	s := &scenario{}
	for r := range rounds + 1 {
		cost, n, err := costOf(ctx, b.pids, server)
		if err != nil {
			return nil, err
		}
		bareCost, _, err := costOf(ctx, []int{b.bare.pid()}, bare)
		if err != nil {
			return nil, fmt.Errorf("bare program: %w", err)
		}
		if r == 0 {
			continue
		}
		s.Deliveries += n
		s.server = append(s.server, cost)
		s.bare = append(s.bare, bareCost)
	}
	s.FrameBytes = b.watch.frameSize
	s.finish()
	return s, nil
}

// costOf is the CPU time, in microseconds, that processes use for each delivery
// of a round.
func costOf(ctx context.Context, pids []int, f round) (cost float64, n int, err error) {
	time.Sleep(settle)
	before, err := cpuOf(pids)
	if err != nil {
		return 0, 0, err
	}
	if n, err = f(ctx); err != nil {
		return 0, n, err
	}
	time.Sleep(settle)
	after, err := cpuOf(pids)
	return micros(after-before, n), n, err
}

// cpuOf is the CPU time that processes have used together.
func cpuOf(pids []int) (all time.Duration, err error) {
	for _, pid := range pids {
		used, err := usage.CPU(pid)
		if err != nil {
			return 0, err
		}
		all += used
	}
	return all, nil
}

// fanOutRound sends messages to the topic of all, each when everybody has read
// the one before.
func (b *bench) fanOutRound(ctx context.Context) (int, error) {
	for range b.set.messages {
		n := b.sentAll
		b.sentAll++
		deliveries, acks := b.watch.deliveries+b.set.sockets, b.watch.acks+1
		msg := broadcast(fmt.Sprintf("m%d", n), topicAll, payload(slotAll, n, b.set.payload))
		if err := b.swarm.Send(b.set.sockets, msg); err != nil {
			return 0, err
		}
		err := b.readAfter(ctx, b.pids, func() bool {
			return b.watch.deliveries >= deliveries && b.watch.acks >= acks
		})
		if err != nil {
			return 0, fmt.Errorf("message %d: %w: %d of %d deliveries, %d of 1 Ack", n, err,
				b.watch.deliveries-deliveries+b.set.sockets, b.set.sockets, b.watch.acks-acks+1)
		}
	}
	return b.set.messages * b.set.sockets, nil
}

// bareFanOut lets the bare program send as many frames, of the size that the
// server's last had, in the same way.
func (b *bench) bareFanOut(ctx context.Context) (int, error) {
	for range b.set.messages {
		want := b.rawRead + b.set.sockets*b.watch.frameSize
		if err := b.bare.write(b.watch.frameSize, 0, b.set.sockets); err != nil {
			return 0, err
		}
		err := b.readAfter(ctx, []int{b.bare.pid()}, func() bool { return b.rawRead >= want })
		if err != nil {
			return 0, fmt.Errorf("%w: %d bytes missing", err, want-b.rawRead)
		}
	}
	return b.set.messages * b.set.sockets, nil
}

// groupRound sends to one group after the other, without ids.
func (b *bench) groupRound(ctx context.Context) (int, error) {
	begin := b.watch.deliveries
	want := begin
	err := b.steadily(ctx, func(k int) error {
		g := k % b.set.groups
		msg := broadcast("", groupTopic(g), payload(slotGroup, b.sent[g], b.set.payload))
		b.sent[g]++
		want += b.groupSize(g)
		// A topic has one publisher: another's messages may overtake.
		return b.swarm.Send(b.set.sockets+g%publishers, msg)
	}, func() bool { return b.watch.deliveries >= want })
	if err != nil {
		return 0, fmt.Errorf("%w: %d deliveries missing", err, want-b.watch.deliveries)
	}
	return want - begin, nil
}

// bareGroups does the same with the bare program: a command takes the place of
// the message that the server reads.
func (b *bench) bareGroups(ctx context.Context) (int, error) {
	first, sends := 0, 0
	want := b.rawRead
	err := b.steadily(ctx, func(k int) error {
		n := b.groupSize(k % b.set.groups)
		if first+n > b.set.sockets {
			first = 0
		}
		first += n
		sends += n
		want += n * b.watch.frameSize
		return b.bare.write(b.watch.frameSize, first-n, n)
	}, func() bool { return b.rawRead >= want })
	if err != nil {
		return 0, fmt.Errorf("%w: %d bytes missing", err, want-b.rawRead)
	}
	return sends, nil
}

// steadily sends at the set rate for one round, reading meanwhile, and then
// reads until done.
func (b *bench) steadily(ctx context.Context, send func(k int) error, done func() bool) error {
	total := int(b.set.groupRound().Seconds() * float64(b.set.rate))
	if err := pace(ctx, b.swarm, b.set.rate, total, send); err != nil {
		return err
	}
	return pollUntil(ctx, b.swarm, b.set.patience, done)
}

// groupSize is the number of sockets in group g.
func (b *bench) groupSize(g int) int {
	n := b.set.sockets / b.set.groups
	if g < b.set.sockets%b.set.groups {
		n++
	}
	return n
}

// readAfter waits until the processes have done their work, and then reads until
// done. Nobody reads meanwhile: a reader that goes to sleep and is woken by
// every frame makes each write dearer, the more so the faster it is, and would
// be measured instead.
func (b *bench) readAfter(ctx context.Context, pids []int, done func() bool) error {
	const look = 2 * time.Millisecond
	idle := time.Duration(len(pids)) * 50 * time.Microsecond
	last, err := cpuOf(pids)
	if err != nil {
		return err
	}
	end := time.Now().Add(b.set.patience)
	for quiet := 0; quiet < 3; {
		if ctx.Err() != nil || time.Now().After(end) {
			break // for pollUntil to tell
		}
		time.Sleep(look)
		now, err := cpuOf(pids)
		if err != nil {
			return err
		}
		if quiet++; now-last > idle {
			quiet = 0
		}
		last = now
	}
	return pollUntil(ctx, b.swarm, b.set.patience, done)
}
