package gateway

import (
	"context"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/protocol"
)

const (
	// answerTime is how long a stop waits for what was asked of owners.
	answerTime = 500 * time.Millisecond
	// awayTime is how long a stop waits for NATS to come back: after it, the owners take a
	// gateway that they do not hear for dead, and its batches are of no use.
	awayTime = 3 * time.Second
	// reconnectSpread is over how long the clients are asked to spread their return.
	reconnectSpread = 5 * time.Second
)

// drain ends a gateway: new clients are turned away, what was sent is seen through,
// the clients are told, and closed.
func (g *Gateway) drain(kill context.Context) {
	g.draining.Store(true)
	g.log.Info("draining", zap.Int("connections", g.Open()))
	answered, cancel := context.WithTimeout(kill, answerTime)
	g.await(answered, func(l *loop) bool { return l.ops.live == 0 })
	cancel()
	g.flushSessions(kill) // those that have just begun are to be found elsewhere, too
	for _, l := range g.loops {
		l.mail.post((*loop).goAway)
	}
	g.await(kill, func(*loop) bool { return true }) // all have
	g.flushSessions(kill)
	if !g.await(kill, func(l *loop) bool { return l.conns.used == 0 }) || !g.awaitLinks(kill) {
		g.log.Warn("stopped before every client and batch was gone", zap.Int("connections", g.Open()))
	}
	g.member.Leave()
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

// goAway tells every client to come back elsewhere, and closes it.
func (l *loop) goAway() {
	l.closing = true
	l.conns.each(func(c *conn) {
		if c.state != stateOpen {
			l.drop(c, endShutdown)
			return
		}
		var frame []byte
		details := protocol.ReconnectAfter(rand.IntN(int(reconnectSpread / time.Millisecond)))
		l.arena, frame = protocol.AppendStatus(l.arena, "", "draining", details)
		l.push(c, frame)
		l.closeWith(c, protocol.CloseRestart, "draining", endShutdown)
	})
}

func (l *loop) linksEmpty() bool {
	for _, o := range l.outs {
		if o != nil && o.Held() > 0 {
			return false
		}
	}
	return true
}
