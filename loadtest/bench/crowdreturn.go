//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
	"github.com/realtime-cluster/realtime/loadtest/swarm"
)

// comeback is how a crowd's clients return: each to one topic, and with what it had got of it.
type comeback struct {
	Topics    []string          `json:"topics"`    // the users' in turn
	Positions []client.Position `json:"positions"` // behind what they had got; by topic
	From      int               `json:"from"`      // number of the first message that they missed
	Missed    int               `json:"missed"`    // how many
	AtOnce    int               `json:"at_once"`   // sockets that have connected without having everything yet, at most
	Recover   bool              `json:"recover"`   // Subscribe with recover
	Resume    bool              `json:"resume"`    // ask for the session, and recover only where it is not resumed
}

// homecoming is what became of it. Each of them has everything that it missed, once and in order.
type homecoming struct {
	Resumed int       `json:"resumed"`
	Times   histogram `json:"times"` // of each client, from its first packet on
}

// returning is the sockets that come back.
type returning struct {
	comeback
	prog    *crowdProg
	first   int // user
	begun   []time.Time
	next    []int // by socket: the number that it must see next
	whole   int   // sockets that have all
	outcome *homecoming
}

func (p *crowdProg) vanish() (err error) {
	p.swarm.Close()
	p.swarm, err = swarm.New()
	return err
}

func (p *crowdProg) comeBack(o order, a *crowdAnswer) error {
	a.Back = &homecoming{}
	r := &returning{comeback: *o.Return, prog: p, first: o.First, outcome: a.Back}
	p.swarm.Text, p.swarm.Welcomed = r.text, r.welcomed
	for i := range o.Count {
		g, err := r.greeting(i)
		if err != nil {
			return err
		}
		r.begun, r.next = append(r.begun, time.Now()), append(r.next, r.From)
		if _, err := p.swarm.Open(o.Addrs[i%len(o.Addrs)], g); err != nil {
			return err
		}
		if i%16 == 0 { // those who are there already do not wait for the others
			if _, err := p.swarm.Poll(0); err != nil {
				return err
			}
		}
		if err := r.await(func() bool { return i-r.complete() < r.AtOnce }); err != nil {
			return err
		}
	}
	return r.await(func() bool { return r.complete() == o.Count })
}

// complete is how many sockets have all that they came for.
func (r *returning) complete() int {
	if r.Missed > 0 {
		return r.whole
	}
	return len(r.begun) - r.prog.swarm.Greeting()
}

func (r *returning) await(done func() bool) error {
	if err := pollUntil(context.Background(), r.prog.swarm, 20*time.Second, done); err != nil {
		return fmt.Errorf("%d of %d clients have everything: %w", r.complete(), len(r.begun), err)
	}
	return nil
}

func (r *returning) topic(i int) int { return (r.first + i) % len(r.Topics) }

// sessionName is the session of a user.
func sessionName(u int) string { return fmt.Sprintf("session-%d", u) }

func (r *returning) greeting(i int) (g swarm.Greeting, err error) {
	u := r.first + i
	g.Token, err = client.Token(secret, userName(u), time.Hour, map[string]any{"session_id": sessionName(u)})
	if r.Resume {
		g.Session = sessionName(u)
		return g, err
	}
	g.Messages = [][]byte{r.subscribe(i)}
	return g, err
}

func (r *returning) subscribe(i int) []byte {
	t := r.topic(i)
	b := fmt.Appendf(nil, `{"type":"Subscribe","id":"s","data":{"topics":[%q]`, r.Topics[t])
	if r.Recover || r.Resume {
		p := r.Positions[t]
		b = fmt.Appendf(b, `,"recover":{%q:{"offset":%d,"epoch":%q}}`, r.Topics[t], p.Offset, p.Epoch)
	}
	return append(b, "}}"...)
}

// welcomed is the swarm's callback.
func (r *returning) welcomed(socket int, text []byte) error {
	switch {
	case bytes.Contains(text, []byte(`"resumed":true`)):
		r.outcome.Resumed++
	case r.Resume:
		return r.prog.swarm.Send(socket, r.subscribe(socket))
	}
	return nil
}

// text is the swarm's callback.
func (r *returning) text(socket int, text []byte) error {
	_, rest, found := bytes.Cut(text, []byte(`{"slot":0,"seq":`))
	n, _ := number(rest)
	if !found || n < 0 {
		if bytes.HasPrefix(text, []byte(`{"type":"Status","id":"s"`)) { // of one that was not resumed
			return nil
		}
		return fmt.Errorf("unexpected message %.300s", text)
	}
	if want := r.next[socket]; n != want || n >= r.From+r.Missed {
		return fmt.Errorf("message %d arrived where %d was due: lost, doubled or reordered", n, want)
	}
	if r.next[socket]++; r.next[socket] == r.From+r.Missed {
		r.whole++
		r.outcome.Times.add(time.Since(r.begun[socket]))
	}
	return nil
}
