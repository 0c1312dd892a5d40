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

// topics of idle connections.
const (
	sharedTopic = "one topic"
	ownTopics   = "a topic each"
)

// measureIdle fills fresh servers with connections, each of another user, that subscribe to one topic or each to its own and then do nothing.
func measureIdle(ctx context.Context, set settings, log io.Writer) (reps []idleReport, err error) {
	for _, in := range oneAndSplit {
		for _, topics := range []string{sharedTopic, ownTopics} {
			rep, err := fill(ctx, set, in.spec, topics, log)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", in.name, topics, err)
			}
			rep.Name, rep.Topics = in.name, topics
			reps = append(reps, *rep)
		}
	}
	return reps, nil
}

// idleSteps are the parts of the connections after which fill looks: the first fifth brings what the first connections cost once, and
// the others are what further ones cost.
const idleSteps = 5

// fill looks at the memory of the servers before, after the first fifth and at the end, and at the CPU time that each
// fifth takes to connect, but the first.
func fill(ctx context.Context, set settings, spec cluster.Spec, topics string, log io.Writer) (rep *idleReport, err error) {
	sys, err := startSystem(ctx, set, spec)
	if err != nil {
		return nil, err
	}
	defer func() { err = sys.stop(err) }()
	sw, err := swarm.New()
	if err != nil {
		return nil, err
	}
	defer sw.Close()
	rep = &idleReport{Sockets: set.idle}
	servers := sys.cluster.Processes()
	if rep.before, err = settledMemory(ctx, set.brisk, servers, sw); err != nil {
		return nil, err
	}
	for step := range idleSteps {
		n := set.idle*(step+1)/idleSteps - sw.Len()
		fmt.Fprintf(log, "idle: %d sockets, %s\n", sw.Len()+n, topics)
		used, err := sys.costOf(func() error { return connectIdle(ctx, sys, sw, n, topics) })
		if err != nil {
			return nil, fmt.Errorf("connect: %w", err)
		}
		if step > 0 {
			rep.connects = append(rep.connects, micros(used.sum(), n))
			rep.roles = append(rep.roles, used.per(n))
		}
		if step == 0 {
			if rep.fifth, err = settledMemory(ctx, set.brisk, servers, sw); err != nil {
				return nil, err
			}
		}
	}
	if rep.all, err = settledMemory(ctx, set.brisk, servers, sw); err != nil {
		return nil, err
	}
	rep.finish()
	return rep, nil
}

// connectIdle opens n more sockets, an equal part of them at each gateway.
func connectIdle(ctx context.Context, sys *system, sw *swarm.Swarm, n int, topics string) error {
	for at, addr := range sys.addrs {
		some := n*(at+1)/len(sys.addrs) - n*at/len(sys.addrs)
		err := sw.Dial(ctx, addr, some, func(i int) (swarm.Greeting, error) {
			if topics == ownTopics {
				return greeting(i, "own."+userName(i))
			}
			return greeting(i, topicAll)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// settledMemory is the resident size of all processes of each role, once it has stood still for five seconds, in which a quiet process gives memory back, within
// one part in two hundred, but after 20 s at the latest.
func settledMemory(ctx context.Context, brisk bool, servers []*cluster.Process, sw *swarm.Swarm) (resident map[cluster.Role]int64, err error) {
	const step, still = 250 * time.Millisecond, 20
	was := make([]int64, len(servers))
	same := 0
	patience := 20 * time.Second
	if brisk {
		patience = time.Second
	}
	for end := time.Now().Add(patience); same < still && time.Now().Before(end); {
		same++
		resident = make(map[cluster.Role]int64)
		for i, p := range servers {
			rss, err := usage.Resident(p.PID())
			if err != nil {
				return nil, err
			}
			if diff := rss - was[i]; max(diff, -diff) > was[i]/200 {
				was[i], same = rss, 0
			}
			resident[p.Role] += rss
		}
		// Polling notices a server that closes the sockets.
		if err := pollFor(sw, step); err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return resident, nil
}
