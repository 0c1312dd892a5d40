//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
	"github.com/realtime-cluster/realtime/loadtest/swarm"
)

// hotReport is a topic with many subscribers and many messages.
type hotReport struct {
	Name    string                   `json:"name"`
	Rate    int                      `json:"messages_a_second"`
	Sockets int                      `json:"sockets"`
	Latency spread                   `json:"latency"` // of each delivery, from the time at which its message was to be sent
	CPU     figures                  `json:"us_per_delivery"`
	Roles   map[cluster.Role]float64 `json:"us_per_delivery_by_role"`
	Bare    figures                  `json:"bare_us_per_send"`
	Ratio   float64                  `json:"ratio"` // of the CPU medians
}

const hotRounds = 3 // that count

// hot is the scenario: the first sockets, half of them at each gateway, are subscribed to one topic, and the last sends.
type hot struct {
	sys     *system
	bare    *bare
	swarm   *swarm.Swarm
	watch   watch
	rawRead int
	n       int
	due     []time.Time // of each message
	times   *histogram
}

func measureHot(ctx context.Context, set settings, log io.Writer) (reps []hotReport, err error) {
	for _, in := range oneAndSplit {
		list, err := measureHotIn(ctx, set, in.spec, log)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", in.name, err)
		}
		for i := range list {
			list[i].Name = in.name
		}
		reps = append(reps, list...)
	}
	return reps, nil
}

func measureHotIn(ctx context.Context, set settings, spec cluster.Spec, log io.Writer) (reps []hotReport, err error) {
	h := &hot{n: set.hotSockets}
	if h.sys, err = startSystem(ctx, set, spec); err != nil {
		return nil, err
	}
	defer func() { err = h.sys.stop(err) }()
	if h.bare, err = startBare(h.n); err != nil {
		return nil, err
	}
	defer func() { err = h.bare.stop(err) }()
	if h.swarm, err = swarm.New(); err != nil {
		return nil, err
	}
	defer h.swarm.Close()
	if err := h.connect(ctx); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	for _, rate := range []int{set.hotRate, 3 * set.hotRate} {
		fmt.Fprintf(log, "hot: %d messages a second to %d sockets\n", rate, h.n)
		rep, err := h.measure(ctx, set, rate)
		if err != nil {
			return nil, fmt.Errorf("%d messages a second: %w", rate, err)
		}
		reps = append(reps, *rep)
	}
	return reps, nil
}

func (h *hot) connect(ctx context.Context) error {
	h.watch.next = make([][]int, h.n+1)
	for i := range h.watch.next {
		h.watch.next[i] = make([]int, slots)
	}
	h.swarm.Text = h.text
	h.swarm.Raw = func(_, n int) error { h.rawRead += n; return nil }
	for at, addr := range h.sys.addrs {
		n := h.n*(at+1)/len(h.sys.addrs) - h.swarm.Len()
		if at == len(h.sys.addrs)-1 {
			n++ // who sends
		}
		err := h.swarm.Dial(ctx, addr, n, func(i int) (swarm.Greeting, error) {
			if i == h.n {
				return greeting(i)
			}
			return greeting(i, topicAll)
		})
		if err != nil {
			return err
		}
	}
	return h.swarm.DialRaw(ctx, h.bare.addr, h.n)
}

// measure sends at a rate, in rounds of which the first does not count, in turns with the bare program.
func (h *hot) measure(ctx context.Context, set settings, rate int) (*hotReport, error) {
	h.times = new(histogram)
	rep := &hotReport{Rate: rate, Sockets: h.n}
	total := max(1, int(set.hotSeconds/hotRounds*float64(rate)))
	roles := make(roleTimes)
	var cpu, bare []float64
	for r := range hotRounds + 1 {
		if r == 1 {
			h.times = new(histogram)
		}
		cost, err := h.sys.costOf(func() error { return h.round(ctx, set, rate, total) })
		if err != nil {
			return nil, err
		}
		bareCost, _, err := costOf(ctx, []int{h.bare.pid()}, h.bareRound)
		if err != nil {
			return nil, fmt.Errorf("bare program: %w", err)
		}
		if r == 0 {
			continue
		}
		cpu, bare = append(cpu, micros(cost.sum(), total*h.n)), append(bare, bareCost)
		for role, d := range cost {
			roles[role] += d
		}
	}
	rep.Latency, rep.CPU, rep.Bare = h.times.spread(), sum(cpu), sum(bare)
	rep.Roles = roles.per(total * h.n * hotRounds)
	rep.Ratio = rep.CPU.Median / rep.Bare.Median
	return rep, nil
}

// round sends messages, each at its time whatever became of those before, and reads them all.
func (h *hot) round(ctx context.Context, set settings, rate, total int) error {
	begin := time.Now()
	want := h.watch.deliveries + total*h.n
	err := pace(ctx, h.swarm, rate, total, func(k int) error {
		n := len(h.due)
		h.due = append(h.due, begin.Add(time.Duration(k)*time.Second/time.Duration(rate)))
		return h.swarm.Send(h.n, broadcast("", topicAll, payload(slotAll, n, set.payload)))
	})
	if err != nil {
		return err
	}
	err = pollUntil(ctx, h.swarm, set.patience, func() bool { return h.watch.deliveries >= want })
	if err != nil {
		return fmt.Errorf("%w: %d of %d deliveries missing", err, want-h.watch.deliveries, total*h.n)
	}
	return nil
}

// bareRound has the bare program write one frame after another to each socket, while they are read.
func (h *hot) bareRound(ctx context.Context) (int, error) {
	const frames = 20
	for range frames {
		want := h.rawRead + h.n*h.watch.frameSize
		if err := h.bare.write(h.watch.frameSize, 0, h.n); err != nil {
			return 0, err
		}
		if err := pollUntil(ctx, h.swarm, 10*time.Second, func() bool { return h.rawRead >= want }); err != nil {
			return 0, err
		}
	}
	return frames * h.n, nil
}

// text is the swarm's callback.
func (h *hot) text(socket int, text []byte) error {
	before := h.watch.deliveries
	if err := h.watch.text(socket, text); err != nil || h.watch.deliveries == before {
		return err
	}
	h.times.add(time.Since(h.due[h.watch.next[socket][slotAll]-1]))
	return nil
}
