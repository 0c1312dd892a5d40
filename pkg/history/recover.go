package history

import "time"

// Verdict is whether everything behind a position can be had.
type Verdict uint8

// The verdicts.
const (
	Whole  Verdict = iota // it can
	Broken                // it cannot: it is too old, too much, or of another numbering
	Look                  // the store has to be asked for the first of it
	Ahead                 // the position is one that the log does not know of: the log may be behind
)

// clockMargin is how far clocks may be apart where it matters whether something can have come and gone unseen.
const clockMargin = time.Minute

// trusted is for how long nothing that is written can have expired yet.
func (r *Rule) trusted() time.Duration {
	age := r.Age
	if r.Shortest > 0 {
		age = min(age, r.Shortest)
	}
	return age - min(clockMargin, age/2)
}

// Judge decides whether everything behind a position can be had. after is the offset in the log's numbering.
func (l *Log) Judge(p Position, now time.Time) (after uint64, v Verdict) {
	switch {
	case p.Epoch.Born() && p.Epoch == l.epoch:
		after = p.Offset
	case p.Epoch.Born() && (!l.epoch.Born() || p.Epoch > l.epoch):
		return 0, Ahead
	case p.Epoch.Born() || p.Offset != 0 || p.Epoch.SeenAt().IsZero():
		return 0, Broken
	case now.Sub(p.Epoch.SeenAt()) > l.Rule.trusted():
		return 0, Broken // a numbering that has come and gone since would leave no trace
	case !l.epoch.Born():
		return 0, Whole
	}
	switch {
	case after > l.top:
		return after, Ahead
	case after == l.top:
		return after, Whole
	case l.top-after > uint64(l.Rule.Size):
		return after, Broken
	}
	first, ok := l.since(after, 1, 1)
	switch {
	case !ok:
		return after, Look
	case l.Expired(first[0].At, now):
		return after, Broken
	}
	return after, Whole
}

// Expired reports whether what was stored at a time is too old.
func (l *Log) Expired(at, now time.Time) bool { return now.Sub(at) > l.Rule.Age }

// Floor returns the offset of the oldest publication that the rule keeps, whatever the store has.
func (l *Log) Floor() uint64 {
	if l.top <= uint64(l.Rule.Size) {
		return 1
	}
	return l.top - uint64(l.Rule.Size) + 1
}
