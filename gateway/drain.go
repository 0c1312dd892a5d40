package gateway

import (
	"context"
	"math"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/protocol"
)

const (
	// noticeMost is how long at most a gateway that stops still lets clients in. Load balancers need about as long to notice that it is not ready.
	noticeMost = 2 * time.Second
	// goodbyeEvery is how often clients are told goodbye, so many at a time.
	goodbyeEvery = 100 * time.Millisecond
	// goodbyeLeast is to how many clients a second at least: a gateway with few is not to hold them for all of DRAIN_PERIOD.
	goodbyeLeast = 100
	// answerTime is how long a stop waits for what was asked of owners.
	answerTime = 500 * time.Millisecond
	// awayTime is how long a stop waits for NATS to come back: after it, the owners take a
	// gateway that they do not hear for dead, and its batches are of no use.
	awayTime = 3 * time.Second
	// returnSpread is over how long the clients of one batch are asked to spread their return. The batches spread the rest.
	returnSpread = time.Second
	// returnSpreadAtOnce is the same where all are told at once.
	returnSpreadAtOnce = 5 * time.Second
)

// drain ends a gateway in good order, within DRAIN_PERIOD and what the last of its clients take to close:
//
//  1. It is not ready. For a tenth of DRAIN_PERIOD, 2 s at most, it still lets clients in: load balancers need a while to notice, and those whom they send
//     here meanwhile are served, and then sent on like the others. A gateway without clients does not wait for them.
//  2. The door is closed: handshakes get 503. HTTP goes on to be served, so that probes and metrics tell what is going on.
//  3. Clients are told goodbye, some every 100 ms: all within DRAIN_PERIOD, or 100 a second where that is sooner. All others are served as ever.
//     Before each batch the sessions are written that wait to be: whoever is told goodbye finds its own elsewhere.
//  4. What is left is told at once, and everything is waited for: clients that are to answer the close, batches on their way to owners.
//  5. It leaves the view. Until here owners send it what its clients are to get.
//
// With DRAIN_PERIOD 0, or when kill is done, everybody is told at once.
func (g *Gateway) drain(kill context.Context) {
	g.draining.Store(true)
	g.metrics.draining.Set(1)
	g.log.Info("draining", zap.Int("connections", g.Open()), zap.Duration("over", g.cfg.DrainPeriod))
	spread := returnSpreadAtOnce
	if g.cfg.DrainPeriod > 0 {
		spread = returnSpread
		end := time.Now().Add(g.cfg.DrainPeriod)
		g.notice(kill)
		g.shut.Store(true)
		g.sayGoodbye(kill, end)
	}
	g.shut.Store(true)
	answered, cancel := context.WithTimeout(kill, answerTime)
	g.await(answered, func(l *loop) bool { return l.ops.live == 0 })
	cancel()
	g.flushSessions(kill) // those that have just begun are to be found elsewhere, too
	if kill.Err() != nil {
		spread = returnSpreadAtOnce
	}
	for _, l := range g.loops {
		l.mail.post(func(l *loop) { l.goAway(spread) })
	}
	g.await(kill, func(*loop) bool { return true }) // all have
	g.flushSessions(kill)
	if !g.await(kill, func(l *loop) bool { return l.conns.used == 0 }) || !g.awaitLinks(kill) {
		g.log.Warn("stopped before every client and batch was gone", zap.Int("connections", g.Open()))
	}
	g.member.Leave()
}

// notice waits until load balancers should have noticed that the gateway is not ready, or it has no clients, or kill is done.
func (g *Gateway) notice(kill context.Context) {
	end := time.Now().Add(min(g.cfg.DrainPeriod/10, noticeMost))
	for g.Open() > 0 && time.Now().Before(end) && kill.Err() == nil {
		wait(kill, min(time.Until(end), goodbyeEvery))
	}
}

// sayGoodbye tells clients to come back elsewhere, and closes them, at the pace at which all are gone by the end. Those who wait for an answer are told
// later, and after answerTime anyway. It returns when nobody is left but who is still in a handshake, or at the end.
func (g *Gateway) sayGoodbye(kill context.Context, end time.Time) {
	last := time.Now().Add(-goodbyeEvery)
	told := last
	for ; g.Open() > 0 && time.Now().Before(end) && kill.Err() == nil; wait(kill, goodbyeEvery) {
		g.flushSessions(kill)
		now := time.Now()
		patient := now.Sub(told) < answerTime
		if g.goodbyes(kill, goodbyeCount(g.Open(), now.Sub(last), end.Sub(now)), patient) > 0 {
			told = now
		} else if !patient {
			return
		}
		last = now
	}
}

// goodbyeCount is how many of the clients that are open are to be told goodbye now, some time after the last were, so that all are within the time that
// is left.
func goodbyeCount(open int, since, left time.Duration) int {
	pace := max(float64(open)/max(left, goodbyeEvery).Seconds(), goodbyeLeast)
	return int(math.Ceil(pace * since.Seconds()))
}

// goodbyes tells n clients goodbye, as many of each loop as it can, and returns how many it told.
func (g *Gateway) goodbyes(kill context.Context, n int, patient bool) (told int) {
	for i, l := range g.loops {
		rest := len(g.loops) - i
		share := (n - told + rest - 1) / rest
		done := make(chan int, 1)
		l.mail.post(func(l *loop) { done <- l.goodbye(share, patient) })
		select {
		case k := <-done:
			told += k
		case <-kill.Done():
			return told
		case <-l.over: // it failed, and has nobody
		case <-time.After(time.Second): // it may have failed with the question
		}
	}
	return told
}

// wait waits for so long, or until ctx is done.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// awaitLinks waits until every batch has arrived, kill is done, or NATS was away too long.
func (g *Gateway) awaitLinks(kill context.Context) bool {
	for connected := time.Now(); time.Since(connected) < awayTime; {
		if g.Connected() {
			connected = time.Now()
		}
		look, cancel := context.WithTimeout(kill, 100*time.Millisecond)
		done := g.await(look, (*loop).linksEmpty)
		cancel()
		if done || kill.Err() != nil {
			return done
		}
	}
	return false
}

// await waits until every loop says that it is done, or ctx is.
func (g *Gateway) await(ctx context.Context, done func(*loop) bool) bool {
	for _, l := range g.loops {
		for {
			answer := make(chan bool, 1)
			l.mail.post(func(l *loop) { answer <- done(l) })
			select {
			case <-ctx.Done():
				return false
			case <-l.over: // it failed, and has nothing
			case <-time.After(time.Second): // it may have failed with the question
				continue
			case ok := <-answer:
				if !ok {
					time.Sleep(10 * time.Millisecond)
					continue
				}
			}
			break
		}
	}
	return true
}

// goodbye tells up to n clients to come back elsewhere, and closes them; it returns how many. It passes over those whose handshake is not over, and while
// it is patient those that wait for an answer: their turn comes when they have it.
func (l *loop) goodbye(n int, patient bool) (told int) {
	waiting := make(map[connRef]bool)
	for i := range l.ops.list {
		if o := &l.ops.list[i]; o.live && patient {
			waiting[connRef{o.conn, o.cgen}] = true
		}
	}
	slots := uint32(len(l.conns.chunks) * slabSize)
	for range slots {
		if told >= n {
			break
		}
		c := l.conns.at(l.farewells % slots)
		l.farewells = (l.farewells + 1) % slots
		if c.state == stateOpen && !waiting[connRef{c.slot, c.gen}] {
			l.farewell(c, returnSpread)
			told++
		}
	}
	return told
}

// goAway tells every client to come back elsewhere, and closes it.
func (l *loop) goAway(spread time.Duration) {
	l.closing = true
	l.conns.each(func(c *conn) {
		if c.state == stateOpen {
			l.farewell(c, spread)
		} else if c.state != stateClosing {
			l.drop(c, endShutdown)
		}
	})
}

// farewell tells a client to come back elsewhere, at some time within spread, and closes it.
func (l *loop) farewell(c *conn, spread time.Duration) {
	defer l.guard(c)
	var frame []byte
	details := protocol.ReconnectAfter(rand.IntN(int(spread / time.Millisecond)))
	l.arena, frame = protocol.AppendStatus(l.arena, "", "draining", details)
	l.push(c, frame)
	l.closeWith(c, protocol.CloseRestart, "draining", endShutdown)
}

func (l *loop) linksEmpty() bool {
	for _, o := range l.outs {
		if o != nil && o.Held() > 0 {
			return false
		}
	}
	return true
}
