package loadtest

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/checker"
	"github.com/realtime-cluster/realtime/loadtest/internal/latency"
)

// recorder gives the checker a clock and a lock, and counts what is not its
// business.
type recorder struct {
	begin time.Time // static: zero of all times

	mu          sync.Mutex // guards what follows
	check       *checker.Checker
	latency     latency.Histogram // of what had not to wait for its user
	lastSeen    time.Duration     // when the latest delivery came
	refusals    map[int]int       // by code
	skipped     int
	disconnects []string
	others      []string // messages that nobody asked for
	unsettling  []unsettling
	incidents   []incident // what may have to do with a fault
	more        int        // incidents beyond those that are kept
}

// unsettling is a fault that was done, and its window.
type unsettling struct {
	fault    Fault
	from, to time.Duration
}

// incident is a lost connection, or a request that was not granted.
type incident struct {
	at   time.Duration
	lost bool
	text string
}

func newRecorder(l Load) *recorder {
	return &recorder{
		begin: time.Now(),
		check: checker.New(checker.Config{
			Topics:      l.Topics + l.People.Rooms,
			Mailboxes:   l.People.count(),
			Publishers:  l.publishers(),
			Subscribers: l.subscribers(),
			Lag:         ackLead,
		}),
		refusals: make(map[int]int),
	}
}

func (r *recorder) now() time.Duration { return time.Since(r.begin) }

// with runs f under the lock, with the time at which it was got: events are told
// to the checker in the order of their times.
func (r *recorder) with(f func(now time.Duration)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(r.now())
}

func (r *recorder) sending(pub, topic int) (m mark) {
	r.with(func(now time.Duration) {
		m = mark{pub, r.check.Sending(pub, topic, now), now}
	})
	return m
}

// joined is told the time before which the reply came in.
func (r *recorder) joined(sub int, topics []int) {
	r.with(func(now time.Duration) {
		for _, t := range topics {
			r.check.Joined(sub, t, now)
		}
	})
}

func (r *recorder) acked(pub, n int) {
	r.with(func(now time.Duration) { r.check.Acked(pub, n, now) })
}

func (r *recorder) refused(pub, n, code int) {
	r.with(func(now time.Duration) {
		r.check.Refused(pub, n, now)
		r.refusals[code]++
	})
}

func (r *recorder) delivered(sub, topic int, m mark) {
	r.with(func(now time.Duration) {
		r.lastSeen = now
		r.latency.Add(now - m.sent)
		r.check.Delivered(sub, topic, m.pub, m.n, now)
	})
}

func (r *recorder) altered(sub, topic int, what string) {
	r.with(func(time.Duration) { r.check.Altered(sub, topic, what) })
}

// disconnected tells that a client lost its connection; sub is -1 for a
// publisher.
func (r *recorder) disconnected(who string, sub int, err error) {
	r.with(func(now time.Duration) {
		r.disconnects = append(r.disconnects, fmt.Sprintf("%s at %v: %v", who, now.Round(time.Millisecond), err))
		if sub >= 0 {
			r.check.LeftAll(sub, now)
		}
	})
}

func (r *recorder) other(text string) {
	const keep = 20
	r.with(func(time.Duration) {
		if len(r.others) < keep {
			r.others = append(r.others, text)
		}
	})
}

func (r *recorder) skip() { r.with(func(time.Duration) { r.skipped++ }) }

func (r *recorder) unsettled(f Fault, from, to time.Duration) {
	r.with(func(time.Duration) {
		r.unsettling = append(r.unsettling, unsettling{f, from, to})
		if f.Calm {
			r.check.Disturbed(f.Name, from, to)
		} else {
			r.check.Unsettled(f.Name, from, to)
		}
	})
}

// outstanding is the number of messages that are unanswered or still wait for
// their user, and the time since the latest delivery.
func (r *recorder) outstanding() (n int, quiet time.Duration) {
	r.with(func(now time.Duration) {
		unanswered, waiting := r.check.Outstanding()
		n, quiet = unanswered+waiting, now-r.lastSeen
	})
	return n, quiet
}

func (r *recorder) report(l Load, end time.Duration) *Report {
	rep := &Report{Load: l}
	r.with(func(time.Duration) {
		rep.Verdict = r.check.Check(end)
		rep.End = end
		rep.P50, rep.P99, rep.Max = r.latency.Quantile(0.5), r.latency.Quantile(0.99), r.latency.Max
		rep.Refusals = maps.Clone(r.refusals)
		rep.Skipped = r.skipped
		rep.Disconnects = slices.Clone(r.disconnects)
		rep.Others = r.others
		for _, i := range r.incidents {
			switch {
			case r.excused(i):
				rep.Excused++
			case i.lost:
				rep.Disconnects = append(rep.Disconnects, i.text)
			default:
				rep.Troubles = append(rep.Troubles, i.text)
			}
		}
		if r.more > 0 {
			rep.Troubles = append(rep.Troubles, fmt.Sprintf("%d more that were not kept", r.more))
		}
	})
	return rep
}

func (r *recorder) excused(i incident) bool {
	for _, u := range r.unsettling {
		if u.from <= i.at && i.at <= u.to && (u.fault.Cuts || !i.lost) {
			return true
		}
	}
	return false
}
