package store

import (
	"testing"
	"time"
)

// TestMemorySweep: what has expired leaves the embedded store's memory, though nobody asks for it.
func TestMemorySweep(t *testing.T) {
	m := newMemory()
	now := time.Now()
	for id, ttl := range map[string]time.Duration{"short": time.Second, "long": time.Hour} {
		w := &waiting{Session: session(id, "A", "state"), n: 1, begun: now}
		if got := m.note(w, ttl, now); got != outcomeNoted {
			t.Fatalf("%s is %s", id, got)
		}
		m.see([]note{{id, now.UnixMilli()}}, ttl, now)
	}
	now = now.Add(memorySweep)
	m.tick(now)
	if len(m.sessions) != 1 || m.live(m.hash(sessionID{"long", "long"}), now) == "" {
		t.Errorf("sessions left: %v", m.sessions)
	}
	if _, ok := m.lastSeen("long", now); len(m.seen) != 1 || !ok {
		t.Errorf("sights left: %v", m.seen)
	}
}
