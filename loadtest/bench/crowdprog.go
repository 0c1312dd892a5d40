//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/swarm"
	"github.com/realtime-cluster/realtime/loadtest/usage"
)

// crowdRoom is the room that crowds join.
const crowdRoom = "bench.room"

// joinWindow is how many joins of one crowd are under way at the same time.
const joinWindow = 64

// crowdMain is the crowd program: it takes orders from its input until that ends,
// and reads its sockets meanwhile.
func crowdMain() int {
	if _, err := usage.RaiseDescriptors(); err != nil {
		fmt.Fprintln(os.Stderr, "crowd:", err)
		return 1
	}
	sw, err := swarm.New()
	if err != nil {
		fmt.Fprintln(os.Stderr, "crowd:", err)
		return 1
	}
	p := &crowdProg{swarm: sw}
	defer func() { p.swarm.Close() }()
	sw.Text = p.text
	orders := make(chan order)
	go func() {
		defer close(orders)
		in := json.NewDecoder(os.Stdin)
		for {
			var o order
			if in.Decode(&o) != nil {
				return
			}
			orders <- o
		}
	}()
	out := json.NewEncoder(os.Stdout)
	for {
		select {
		case o, more := <-orders:
			if !more {
				return 0
			}
			begin := time.Now()
			a := crowdAnswer{}
			if err := p.obey(o, &a); err != nil {
				a.Error = err.Error()
			}
			a.Took, a.Events, p.events = time.Since(begin), p.events, 0
			if out.Encode(a) != nil {
				return 1
			}
		default:
			if _, err := p.swarm.Poll(time.Millisecond); err != nil {
				_ = out.Encode(crowdAnswer{Error: err.Error()})
				return 1
			}
		}
	}
}

// crowdProg is the sockets of a crowd and what they have seen.
type crowdProg struct {
	swarm  *swarm.Swarm
	next   [][slots]int // by socket: the number it must see next
	got    [slots]int
	joined int
	events int
	times  histogram
}

func (p *crowdProg) obey(o order, a *crowdAnswer) error {
	switch o.Do {
	case doConnect:
		p.next = make([][slots]int, o.Count)
		for i := range o.Addrs {
			n := o.Count*(i+1)/len(o.Addrs) - o.Count*i/len(o.Addrs)
			if err := p.swarm.Dial(context.Background(), o.Addrs[i], n, func(i int) (swarm.Greeting, error) {
				return greeting(o.First+i, topicAll)
			}); err != nil {
				return fmt.Errorf("connect: %w", err)
			}
		}
		return nil
	case doJoin:
		return p.join()
	case doAwait:
		want := o.Total * p.swarm.Len()
		if err := pollUntil(context.Background(), p.swarm, 20*time.Second, func() bool { return p.got[o.Slot] >= want }); err != nil {
			return fmt.Errorf("%d of %d deliveries: %w", p.got[o.Slot], want, err)
		}
		times := p.times
		a.Times, p.times = &times, histogram{}
		return nil
	case doRest:
		return pollFor(p.swarm, restTime)
	case doReturn:
		return p.comeBack(o, a)
	case doVanish:
		return p.vanish()
	case doFlood:
		var err error
		a.Flood, err = inundate(*o.Flood)
		return err
	}
	return fmt.Errorf("unknown order %q", o.Do)
}

func (p *crowdProg) join() error {
	for i := range p.swarm.Len() {
		if err := p.swarm.Send(i, []byte(`{"type":"JoinRoom","id":"j","data":{"room":"`+crowdRoom+`"}}`)); err != nil {
			return err
		}
		if err := p.joins(i + 2 - joinWindow); err != nil {
			return err
		}
	}
	return p.joins(p.swarm.Len())
}

// joins polls until that many have joined.
func (p *crowdProg) joins(n int) error {
	err := pollUntil(context.Background(), p.swarm, 20*time.Second, func() bool { return p.joined >= n })
	if err != nil {
		return fmt.Errorf("%d of %d joins: %w", p.joined, n, err)
	}
	return nil
}

// text is the swarm's callback.
func (p *crowdProg) text(socket int, text []byte) error {
	switch {
	case bytes.HasPrefix(text, []byte(`{"type":"RoomEvent"`)):
		p.events++
		return nil
	case bytes.HasPrefix(text, []byte(`{"type":"Status","id":"j"`)):
		p.joined++
		return nil
	case bytes.HasPrefix(text, []byte(`{"type":"Error"`)):
		return fmt.Errorf("the server answered %.300s", text)
	}
	slot, n, at, ok := stampOf(text)
	if !ok {
		return fmt.Errorf("unexpected message %.300s", text)
	}
	if want := p.next[socket][slot]; n != want {
		return fmt.Errorf("message %d arrived where %d was due: lost, doubled or reordered", n, want)
	}
	p.next[socket][slot]++
	p.got[slot]++
	p.times.add(time.Since(at))
	return nil
}
