package loadtest

import (
	"fmt"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
)

// enter makes a new publisher and subscriber.
func (r *recorder) enter() (pub, sub int) {
	r.with(func(time.Duration) { pub, sub = r.check.Publisher(), r.check.Subscriber() })
	return pub, sub
}

func (r *recorder) joining(sub, topic int) {
	r.with(func(time.Duration) { r.check.Joining(sub, topic) })
}

// leaving is told before the request is sent, gone when it is answered.
func (r *recorder) leaving(sub, topic int) {
	r.with(func(now time.Duration) { r.check.Left(sub, topic, now) })
}

func (r *recorder) gone(sub, topic int) {
	r.with(func(now time.Duration) { r.check.Gone(sub, topic, now) })
}

// left is told when a connection has ended, or before it is closed.
func (r *recorder) left(pub int, subs []int) {
	r.with(func(now time.Duration) {
		r.check.Stopped(pub, now)
		for _, sub := range subs {
			r.check.LeftAll(sub, now)
		}
	})
}

func (r *recorder) directAcked(pub, n int, ack client.Ack) {
	r.with(func(now time.Duration) {
		if ack.Status == "queued" {
			r.check.Queued(pub, n, now)
		} else {
			r.check.Acked(pub, n, now)
		}
		r.check.Named(pub, n, ack.MessageID)
	})
}

func (r *recorder) direct(sub, topic int, m mark, d client.DirectMessage) {
	r.with(func(now time.Duration) {
		r.lastSeen = now
		if d.Queued {
			r.check.DeliveredLate(sub, topic, m.pub, m.n, now)
		} else {
			r.latency.Add(now - m.sent)
			r.check.Delivered(sub, topic, m.pub, m.n, now)
		}
		r.check.Named(m.pub, m.n, d.MessageID)
	})
}

// lostOne tells that one of people lost its connection.
func (r *recorder) lostOne(who string, err error) { r.incident(true, who, err) }

// trouble tells that a request was not granted.
func (r *recorder) trouble(who string, err error) { r.incident(false, who, err) }

func (r *recorder) incident(lost bool, who string, err error) {
	const keep = 1000
	r.with(func(now time.Duration) {
		if len(r.incidents) >= keep {
			r.more++
			return
		}
		r.incidents = append(r.incidents, incident{now, lost, fmt.Sprintf("%s at %v: %v", who, now.Round(time.Millisecond), err)})
	})
}
