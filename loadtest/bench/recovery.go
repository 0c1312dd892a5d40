//go:build linux

package main

import (
	"context"
	"fmt"
	"io"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
)

// recoveryReport is clients that all come back at once, each of which missed as many messages.
type recoveryReport struct {
	Clients  int          `json:"clients"`
	Missed   int          `json:"missed"`
	Gateways int          `json:"gateways"`
	Connect  comingBack   `json:"connect"` // they connect and subscribe, and missed nothing
	Ways     []comingBack `json:"ways"`
}

// comingBack is one way of doing so.
type comingBack struct {
	Name       string                   `json:"name"`
	Seconds    float64                  `json:"seconds"` // from the first client's first packet until the last one has all
	Client     spread                   `json:"client"`  // from a client's first packet until it has all
	Deliveries int                      `json:"deliveries"`
	Resumed    int                      `json:"resumed"`
	CPU        float64                  `json:"us_per_client"` // of all servers
	Roles      map[cluster.Role]float64 `json:"us_per_client_by_role"`
	// PerDelivery is what they cost more than those who missed nothing, in microseconds for each message.
	PerDelivery float64 `json:"us_per_delivery"`

	Loads       int `json:"loads"`        // times that the owner read the end of a history from JetStream, as it did not know it
	StoreReads  int `json:"store_reads"`  // pages that the owner read from JetStream
	MemoryReads int `json:"memory_reads"` // pages that it had in memory
	Fetches     int `json:"fetches"`      // pages that gateways asked for
	Pages       int `json:"pages"`        // pages that they sent to clients
}

const (
	recoveryGateways = 2
	recoveryTopics   = 100 // of the way with many topics
)

func measureRecovery(ctx context.Context, set settings, log io.Writer) (rep *recoveryReport, err error) {
	sys, err := startSystem(ctx, set, cluster.Spec{
		NATS: 1, Redis: true, Gateways: recoveryGateways, Routers: 1, Presences: 1, Settings: storedRules,
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = sys.stop(err) }()
	if err := sys.openStreams(ctx, log); err != nil {
		return nil, err
	}
	r := &recoveryRun{sys: sys, set: set}
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	defer r.close()
	rep = &recoveryReport{Clients: set.clients, Missed: set.missed, Gateways: recoveryGateways}
	one, many := []string{"stored.recovery"}, make([]string, recoveryTopics)
	for i := range many {
		many[i] = fmt.Sprintf("stored.recovery.%d", i)
	}
	fmt.Fprintf(log, "recovery: %d clients connect\n", set.clients)
	if rep.Connect, err = r.connect(ctx, one); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	for _, way := range []struct {
		name    string
		topics  []string
		resume  bool
		restart bool
	}{
		{"one topic, ?session=", one, true, false},
		{"one topic, recover", one, false, false},
		{"one topic, recover, of an owner that has just started", one, false, true},
		{fmt.Sprintf("%d topics, recover", recoveryTopics), many, false, false},
	} {
		fmt.Fprintf(log, "recovery: %s\n", way.name)
		back, err := r.comeBack(ctx, way.topics, way.resume, way.restart)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", way.name, err)
		}
		back.Name = way.name
		back.PerDelivery = (back.CPU - rep.Connect.CPU) / float64(set.missed)
		rep.Ways = append(rep.Ways, back)
	}
	return rep, nil
}
