package store

import (
	"testing"
	"time"
)

// kept is a session as it is in a store.
type kept struct {
	holder, state string
	left          time.Duration // until it is forgotten
}

// record reads the session of a user who has the same name; nil when there is none.
func (s opened) record(t *testing.T, id string) *kept {
	t.Helper()
	if s.embedded != nil {
		m := s.embedded.memory
		m.mu.Lock()
		defer m.mu.Unlock()
		r := m.live(m.hash(sessionID{id, id}), time.Now())
		if r == "" {
			return nil
		}
		k := &kept{left: time.Until(time.UnixMilli(r.until()))}
		k.holder, k.state = r.texts()
		return k
	}
	key := sessionKey(id, id)
	fields, err := s.client.HGetAll(t.Context(), key).Result()
	if err != nil {
		t.Fatal(err)
	}
	left, err := s.client.PTTL(t.Context(), key).Result()
	if err != nil {
		t.Fatal(err)
	}
	if len(fields) == 0 {
		return nil
	}
	return &kept{fields["holder"], fields["state"], left}
}

// lose makes the store forget that session.
func (s opened) lose(t *testing.T, id string) {
	t.Helper()
	if s.embedded != nil {
		m := s.embedded.memory
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.sessions, m.hash(sessionID{id, id}))
		return
	}
	if err := s.client.Del(t.Context(), sessionKey(id, id)).Err(); err != nil {
		t.Fatal(err)
	}
}

// bend makes that session end at another time, and begin at another one unless that is zero.
func (s opened) bend(t *testing.T, id string, left time.Duration, since time.Time) {
	t.Helper()
	if s.embedded != nil {
		m := s.embedded.memory
		m.mu.Lock()
		defer m.mu.Unlock()
		h := m.hash(sessionID{id, id})
		r := m.sessions[h]
		holder, state := r.texts()
		from := r.since()
		if !since.IsZero() {
			from = since.UnixMicro()
		}
		m.sessions[h] = newRecord(holder, r.n(), from, time.Now().Add(left), state)
		return
	}
	key := sessionKey(id, id)
	if err := s.client.PExpire(t.Context(), key, left).Err(); err != nil {
		t.Fatal(err)
	}
	if !since.IsZero() {
		if err := s.client.HSet(t.Context(), key, "since", since.UnixMicro()).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// redis skips a test of what only Redis has.
func (s opened) redis(t *testing.T) {
	t.Helper()
	if s.embedded != nil {
		t.Skip("of Redis alone: the embedded store has these in memory")
	}
}
