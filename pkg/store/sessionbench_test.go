package store

import (
	"context"
	"fmt"
	"regexp"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// BenchmarkSession notes and writes states of 300 bytes of ever new sessions, 1000 at a time; the ns are of one session,
// redis-µs what Redis's process needed for it.
func BenchmarkSession(b *testing.B) {
	benchSessions(b, func(b *testing.B, g *gateway, of func(i int) Session) {
		for i := range b.N {
			g.Note(of(i), true)
			if i%1000 == 999 || i == b.N-1 {
				g.write(b)
			}
		}
	})
}

// BenchmarkSessionAgain notes and writes new states of 1000 sessions.
func BenchmarkSessionAgain(b *testing.B) {
	benchSessions(b, func(b *testing.B, g *gateway, of func(i int) Session) {
		for i := range b.N {
			g.Note(of(i%1000), false)
			if i%1000 == 999 || i == b.N-1 {
				g.write(b)
			}
		}
	})
}

// BenchmarkSessionTouch keeps 1000 sessions alive.
func BenchmarkSessionTouch(b *testing.B) {
	benchSessions(b, func(b *testing.B, g *gateway, of func(i int) Session) {
		for i := range b.N {
			g.Touch(of(i % 1000))
			if i%1000 == 999 || i == b.N-1 {
				g.write(b)
			}
		}
	})
}

// BenchmarkSessionTake takes one of 1000 sessions after the other.
func BenchmarkSessionTake(b *testing.B) {
	benchSessions(b, func(b *testing.B, g *gateway, of func(i int) Session) {
		for i := range 1000 {
			g.Note(of(i), true)
		}
		g.write(b)
		b.ResetTimer()
		for i := range b.N {
			s := of(i % 1000)
			if _, err := g.Take(b.Context(), s.ID, s.User, s.Holder); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchSessions(b *testing.B, bench func(b *testing.B, g *gateway, of func(i int) Session)) {
	state := make([]byte, 300)
	of := func(i int) Session {
		return Session{ID: fmt.Sprintf("%032x", i), User: fmt.Sprint("user", i), Holder: "gateway-1-0123456789/123456", State: state}
	}
	b.Run("embedded", func(b *testing.B) {
		b.ReportAllocs()
		bench(b, newGateway(open(b, ""), time.Hour), of)
	})
	b.Run("redis", func(b *testing.B) {
		b.ReportAllocs()
		server := startServer(b)
		g := newGateway(open(b, server.url()), time.Hour)
		before := server.cpu(b)
		bench(b, g, of)
		b.StopTimer()
		b.ReportMetric((server.cpu(b)-before)*1e6/float64(b.N), "redis-µs")
	})
}

var usedCPU = regexp.MustCompile(`used_cpu_(?:sys|user):([0-9.]+)`)

// cpu is how many seconds of CPU time the server has used.
func (s *server) cpu(t testing.TB) (seconds float64) {
	t.Helper()
	client := s.client()
	defer client.Close()
	for _, match := range usedCPU.FindAllStringSubmatch(client.Info(context.Background(), "cpu").Val(), -1) {
		n, err := strconv.ParseFloat(match[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		seconds += n
	}
	return seconds
}

// TestSessionMemory logs what a session with a state of 300 bytes costs.
func TestSessionMemory(t *testing.T) {
	const sessions = 2000
	note := func(s opened) {
		g := newGateway(s, time.Hour)
		for i := range sessions {
			g.Note(Session{ID: fmt.Sprintf("%032x", i), User: fmt.Sprint("user", i), Holder: "gateway-1-0123456789/123456", State: make([]byte, 300)}, true)
		}
		g.write(t)
	}
	heap := func() float64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	s := open(t, "")
	before := heap()
	note(s)
	perEmbedded := (heap() - before) / sessions
	runtime.KeepAlive(s)

	server := startServer(t)
	client := server.client()
	defer client.Close()
	used := func() (n float64) {
		text := regexp.MustCompile(`used_memory_dataset:(\d+)`).FindStringSubmatch(client.Info(t.Context(), "memory").Val())
		n, _ = strconv.ParseFloat(text[1], 64)
		return n
	}
	real := open(t, server.url())
	before = used()
	note(real)
	perRedis := (used() - before) / sessions
	t.Logf("a session costs %.0f bytes in Redis, %.0f in the embedded store", perRedis, perEmbedded)
	if perRedis > 2000 || perEmbedded > 500 {
		t.Error("that is more than it should be")
	}
}
