package main

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/tidwall/gjson"

	"github.com/realtime-cluster/realtime/loadtest/checker/history"
	"github.com/realtime-cluster/realtime/loadtest/client"
)

// takeover is how long the connection that is taken over has to hear of it.
const takeover = 10 * time.Second

const pattern = "t.topic.>"

// welcome begins a connection: it is told before anything arrives on it.
func (s *stay) welcome(w client.Welcome) {
	s.retire(w)
	r := s.reader
	r.rec.trace(r.index, "welcome on %d, %s: resumed %t, topics %v, positions %v, of rooms %v", s.number, w.ConnectionID, w.Resumed, w.Topics, w.Positions, w.RoomPositions)
	asked := s.old != nil || w.Resumed
	s.rec.tell(func(c *history.Checker) {
		c.Connected(r.index)
		if !w.Resumed {
			return
		}
		for name, key := range r.keys {
			p, told := w.Positions[name]
			switch {
			case r.kind == exact && !slices.Contains(w.Topics, name):
				continue
			case r.kind == member:
				p, told = w.RoomPositions[name]
			}
			c.Resumed(r.index, key, position(p.Position), p.Recovered || !told)
		}
	})
	if asked || r.session != "" {
		s.rec.count(map[bool]string{true: "sessions that were resumed", false: "sessions that were not resumed, or not asked for"}[w.Resumed])
	}
	switch r.kind {
	case exact:
		for name := range r.keys {
			if !w.Resumed || !slices.Contains(w.Topics, name) {
				s.missing = append(s.missing, name)
			}
		}
		slices.Sort(s.missing)
		if w.Resumed && len(s.missing) > 0 {
			s.rec.count("resumed sessions that lacked a topic")
		}
	case wild:
		s.anew() // what it missed meanwhile is not looked for
		if !w.Resumed || !slices.Contains(w.Topics, pattern) {
			s.missing = []string{pattern}
		}
	case member:
		if !w.Resumed {
			s.anew()
		}
	}
}

// anew tells that the reader takes what comes.
func (s *stay) anew() {
	s.rec.tell(func(c *history.Checker) {
		for _, key := range s.keys {
			c.Anew(s.index, key)
		}
	})
}

// retire waits until the connection that is taken over is closed, and all that arrived there is told.
func (s *stay) retire(w client.Welcome) {
	if s.old == nil {
		return
	}
	defer s.old.conn.Abort()
	defer s.old.over.Store(true)
	if !w.Resumed {
		return
	}
	select {
	case <-s.old.conn.Done():
		switch s.old.conn.CloseCode() {
		case 4409:
			s.rec.count("connections that were taken over")
		default:
			s.rec.count("connections that broke while they were taken over")
		}
	case <-time.After(takeover):
		s.rec.count("connections that did not hear for 10 s that they were taken over")
	}
}

// subscribe asks for topics, from where the reader is with them: for all in one request, or each in one of its own.
func (s *stay) subscribe(topics []string) {
	if s.set.singly || s.rng.IntN(3) == 0 {
		for _, t := range topics {
			s.request([]string{t})
		}
	} else if len(topics) > 0 {
		s.request(topics)
	}
}

func (s *stay) request(topics []string) {
	from := make(map[string]client.Position)
	for _, t := range topics {
		if key, ok := s.keys[t]; ok && s.kind == exact {
			if p, ok := s.rec.at(s.index, key); ok {
				from[t] = p
			}
		}
	}
	err := s.conn.Recover(topics, from, func(sub client.Subscription, err error) { s.subscribed(topics, from, sub, err) })
	if err != nil {
		s.rec.count("subscriptions that could not be sent")
	}
}

// subscribed is told what became of a subscription.
func (s *stay) subscribed(topics []string, from map[string]client.Position, sub client.Subscription, err error) {
	s.rec.trace(s.index, "subscribed to %v from %v: %v, rejected %s, %v", topics, from, sub.Positions, sub.Rejected, err)
	if err != nil {
		s.rec.count("subscriptions that were refused or got no answer")
		s.ask(topics)
		return
	}
	var rejected []string
	for _, r := range gjson.Parse(sub.Rejected).Array() {
		rejected = append(rejected, r.Get("topic").Str)
	}
	if len(rejected) > 0 {
		s.rec.count("subscriptions that were refused or got no answer")
		s.ask(rejected)
	}
	if s.kind != exact {
		return
	}
	s.rec.tell(func(c *history.Checker) {
		for _, t := range topics {
			if slices.Contains(rejected, t) {
				continue
			}
			key := s.keys[t]
			p, told := sub.Positions[t]
			_, had := from[t]
			switch {
			case !told:
				c.Note(history.Session, "reader %d subscribed to %s and was told no position", s.index, t)
			case had:
				c.Recovered(s.index, key, position(p.Position), p.Recovered)
			default:
				c.Begun(s.index, key, position(p.Position))
			}
		}
	})
	if len(from) > 0 {
		s.rec.count("subscriptions that recovered")
	}
}

// pause gives up one of the topics, which is to be asked for again.
func (s *stay) pause(ctx context.Context) (topic string, ok bool) {
	if s.kind != exact {
		return "", true
	}
	names := slices.Sorted(maps.Keys(s.keys))
	topic = names[s.rng.IntN(len(names))]
	if _, err := s.conn.Unsubscribe(ctx, topic); err != nil {
		s.rec.count("topics that could not be given up")
		return "", false
	}
	s.rec.count("topics that were given up for a moment")
	s.rec.tell(func(c *history.Checker) { c.Left(s.index, s.keys[topic]) })
	return topic, true
}

// ask has topics asked for again, a little later.
func (s *stay) ask(topics []string) {
	select {
	case s.again <- topics:
	default: // the connection is ending
	}
}

func (s *stay) deliver(d client.Delivery) {
	key, ok := s.keys[d.Topic]
	s.hear(key, ok, d.Topic, client.Position{Offset: d.Offset, Epoch: d.Epoch}, d.Payload, d.MessageID, d.FromUser)
}

func (s *stay) room(m client.RoomMessage) {
	key, ok := s.keys[m.Room]
	s.hear(key, ok, m.Room, client.Position{Offset: m.Offset, Epoch: m.Epoch}, m.Payload, m.MessageID, m.FromUser)
}

func (s *stay) hear(key int, ok bool, name string, p client.Position, payload, id, user string) {
	if !ok {
		s.rec.tell(func(c *history.Checker) {
			c.Note(history.Uninvited, "reader %d, %s: %q of %q", s.index, name, id, user)
		})
		return
	}
	s.rec.delivered(s.index, s.number, key, p, payload, id, user)
	s.wait()
}

func (s *stay) gap(g client.Gap) {
	s.rec.count("gaps that readers were told of")
	s.rec.trace(s.index, "gap: %v", g)
	if key, ok := s.keys[g.Topic+g.Room]; ok {
		s.rec.tell(func(c *history.Checker) { c.Gap(s.index, key, position(g.Position)) })
	}
}
