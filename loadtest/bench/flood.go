//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
)

// floodReport is what many who talk notice of one who floods. The limits are those that are set by default.
type floodReport struct {
	Talkers int        `json:"talkers"`
	Rate    int        `json:"messages_a_second"` // of all talkers together
	Floods  []floodWay `json:"floods"`
}

// floodWay is one way to flood, and the time before it.
type floodWay struct {
	Name   string     `json:"name"`
	Before talkCost   `json:"before"`
	During talkCost   `json:"during"`
	Flood  inundation `json:"flood"`

	Refused  int     `json:"refused"`      // frames, as the gateway counts them
	PerFrame float64 `json:"us_per_frame"` // the gateway's CPU for each frame of the flood
}

// talkCost is a round of talking.
type talkCost struct {
	Latency spread  `json:"latency"`     // from a Broadcast to each of its subscribers
	CPU     float64 `json:"cpu_percent"` // of all servers, of one core

	roles roleTimes
	took  time.Duration
}

// floodTopic is where floods go. Nobody is subscribed.
const floodTopic = "bench.flood"

func measureFlood(ctx context.Context, set settings, log io.Writer) (rep *floodReport, err error) {
	sys, err := startSystem(ctx, set, cluster.Spec{
		NATS: 1, Redis: true, Gateways: 1, Routers: 1, Presences: 1, Env: []string{"RATE_LIMIT_ENABLED=true"},
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = sys.stop(err) }()
	t, err := newTalk(ctx, sys, set)
	if err != nil {
		return nil, err
	}
	defer t.swarm.Close()
	fmt.Fprintf(log, "flood: %d talkers, %d messages a second\n", set.talkers, set.talkRate)
	if _, err := t.round(ctx); err != nil { // that the first does not pay for what all need
		return nil, err
	}
	message := broadcast("", floodTopic, payload(slotAll, 0, set.payload))
	rep = &floodReport{Talkers: set.talkers, Rate: set.talkRate}
	for _, w := range []struct {
		name  string
		flood flood
	}{
		{"Broadcasts", flood{Op: ws.OpText, Payload: message, Rate: set.floodRate}},
		{"Broadcasts, as many as are borne", flood{Op: ws.OpText, Payload: message, Rate: set.borneRate}},
		{"WebSocket pings", flood{Op: ws.OpPing, Payload: []byte("flood"), Rate: set.floodRate}},
	} {
		fmt.Fprintf(log, "flood: %s, %d frames a second\n", w.name, w.flood.Rate)
		way, err := t.against(ctx, w.flood)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", w.name, err)
		}
		way.Name = w.name
		rep.Floods = append(rep.Floods, *way)
	}
	return rep, nil
}

// against talks for a round, and for one more while somebody floods.
func (t *talk) against(ctx context.Context, f flood) (*floodWay, error) {
	way := &floodWay{}
	var err error
	if way.Before, err = t.round(ctx); err != nil {
		return nil, err
	}
	if f.Token, err = token("flooder"); err != nil {
		return nil, err
	}
	f.Addr, f.Time = t.sys.addrs[0], t.length
	c, err := startCrowd()
	if err != nil {
		return nil, err
	}
	defer c.close()
	refused, err := t.sys.refused(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.give(order{Do: doFlood, Flood: &f}); err != nil {
		return nil, err
	}
	if way.During, err = t.round(ctx); err != nil {
		return nil, err
	}
	a, err := c.answer()
	if err != nil {
		return nil, err
	}
	way.Flood = *a.Flood
	after, err := t.sys.refused(ctx)
	way.Refused = after - refused
	way.finish()
	return way, err
}

func (w *floodWay) finish() {
	quiet := float64(w.Before.roles[cluster.Gateway]) * float64(w.During.took) / float64(w.Before.took)
	w.PerFrame = micros(w.During.roles[cluster.Gateway]-time.Duration(quiet), w.Flood.Frames)
}

// refused is how many messages the gateways have refused for a limit's sake.
func (s *system) refused(ctx context.Context) (all int, err error) {
	for _, level := range []string{"connection", "user", "global"} {
		n, err := sumMetric(ctx, s.cluster.Gateways, "realtime_gateway_dropped_total", map[string]string{"reason": "rate_limit_" + level})
		if err != nil {
			return 0, err
		}
		all += int(n)
	}
	return all, nil
}
