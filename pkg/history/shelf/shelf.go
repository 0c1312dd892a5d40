// Package shelf keeps the logs of the topics or rooms that one lane owns: it is the shell of history.Log, with a lane,
// a store and a clock.
package shelf

import (
	"math/rand/v2"
	"time"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/supervise"
	"github.com/realtime-cluster/realtime/pkg/supervise/fault"
)

// patience is how long a publication waits for the store before its sender is told that it did not answer: less than
// a gateway waits for the owner.
const patience = 4 * time.Second

// Lane is what a Shelf needs of its owner.Lane.
type Lane interface {
	Do(func())
	Now() time.Time
	Owns(key string) bool
	// Panicked is told of a panic that cost no more than one log.
	Panicked(*supervise.Panic)
}

// Desk is what a role does with what is stored.
type Desk interface {
	// Frame makes what subscribers get. The bytes stay as they are.
	Frame(key string, p *history.Publication, at history.Position) []byte
	// Deliver sends it to them. it is nil when it did not come through this owner.
	Deliver(key string, it *history.Item, at history.Position, frame []byte)
	// Began is when what the key names began; zero: that does not matter. What was stored before is another's: see
	// history.Log.NotBefore.
	Began(key string) time.Time
	// Ack and Refuse answer the sender of an item.
	Ack(key string, it *history.Item, at history.Position, duplicate bool)
	Refuse(key string, it *history.Item, err error)
	// Failed is called when a panic ended Deliver, or any other of these: what was in the making is to be given up.
	Failed()
}

// Shelf is the logs of one lane, whose goroutine owns it.
type Shelf struct {
	lane  Lane
	cfg   *Config
	desk  Desk
	logs  map[string]*volume
	busy  map[*volume]struct{} // something waits in them
	tells []telling            // positions to be looked up
	swept time.Time            // when all logs were last looked at

	countedLogs, countedMemory int // in the metrics
}

// volume is one log on the shelf.
type volume struct {
	*history.Log
	store    history.Store
	used     time.Time
	readers  []func() // wait until older publications are remembered; nil: none are being read
	filling  bool
	trimming bool
	oldest   history.Position // one that the store had
	since    time.Time        // when it had
	large    time.Time        // when older publications turned out to be more than can be remembered
	audits   int              // how often the store was asked for what the log does not know of
	audited  time.Time        // when it was last
}

// New makes a Shelf.
func New(lane Lane, cfg *Config, desk Desk) *Shelf {
	s := &Shelf{lane: lane, cfg: cfg, desk: desk}
	s.Reset()
	return s
}

// Reset drops everything.
func (s *Shelf) Reset() {
	for _, v := range s.logs {
		s.remove(v)
	}
	s.logs = make(map[string]*volume)
	s.busy = make(map[*volume]struct{})
	s.tells = nil
	s.counted(0)
}

// open finds or begins the log of a key that has history by rule.
func (s *Shelf) open(key string, rule *history.Rule) *volume {
	v, began := s.logs[key], s.desk.Began(key)
	if v != nil && !v.NotBefore.Equal(began) { // it is another's by now
		s.remove(v)
		v = s.logs[key] // somebody who waited may have been here
	}
	if v == nil {
		key = string([]byte(key)) // it aliases a batch
		rule = s.cfg.Rules.latest(rule)
		v = &volume{store: s.cfg.Rules.store(rule)}
		v.Log = history.NewLog(key, rule, (*shell)(s), s.cfg.Window, rand.Uint64())
		v.NotBefore = began
		s.logs[key] = v
	}
	v.used = s.lane.Now()
	return v
}

// Rule is the rule of a key that has this one, nil for none, by the rules in force: that of its log, while there is one.
func (s *Shelf) Rule(key string, inForce *history.Rule) *history.Rule {
	if v := s.logs[key]; v != nil {
		return v.Rule
	}
	return inForce
}

// Publish has a publication stored, and then delivered and acked, or refused: at once while the circuit breaker is open. Its bytes
// are the shelf's from here on.
func (s *Shelf) Publish(key string, rule *history.Rule, it *history.Item) {
	if s.cfg.Crew.Health() != nil {
		s.desk.Refuse(key, it, history.ErrUnavailable)
		return
	}
	v := s.open(key, rule)
	now := s.lane.Now()
	it.Until = now.Add(patience)
	if err := v.Publish(it, now); err != nil {
		s.cfg.Metrics.full.Inc()
		s.desk.Refuse(v.Key, it, err)
	}
	s.note(v)
}

// After has then called, with where the history stands, when what was published to a key before is dealt with, and the log known: at
// once, mostly. Its error says that the store did not answer, or wraps history.ErrFull.
func (s *Shelf) After(key string, rule *history.Rule, then func(history.Position, error)) {
	s.after(s.open(key, rule), func(v *volume, err error) { then(v.Top(), err) })
}

func (s *Shelf) after(v *volume, then func(*volume, error)) {
	now := s.lane.Now()
	v.After(now, now.Add(patience), func(err error) { then(v, err) })
	s.note(v)
}

// Waits reports whether something about a key waits for the store.
func (s *Shelf) Waits(key string) bool {
	v := s.logs[key]
	return v != nil && v.Busy()
}

// Storing reports whether publications of a key wait for the store.
func (s *Shelf) Storing(key string) bool {
	v := s.logs[key]
	return v != nil && v.Storing()
}

// Drop gives up the log of a key: what waits in it is refused.
func (s *Shelf) Drop(key string) {
	if v := s.logs[key]; v != nil {
		s.remove(v)
	}
}

// guard ends the dealing with what was written or read of a log when it panicked: the log is given up, and read again when it is
// needed. What is stored and was not delivered is found then.
func (s *Shelf) guard(key string) {
	if v := recover(); v != nil {
		s.lane.Panicked(supervise.Panicked(v))
		s.desk.Failed()
		s.Drop(key)
	}
}

// note remembers a log in which something waits, for ticks.
func (s *Shelf) note(v *volume) {
	if v.Busy() {
		s.busy[v] = struct{}{}
	}
}

// Settled reports whether nothing waits for the store that belongs to another owner by now.
func (s *Shelf) Settled() bool {
	for v := range s.busy {
		if v.Busy() && !s.lane.Owns(v.Key) {
			return false
		}
	}
	return true
}

// Keep drops the logs of keys for which keep is false.
func (s *Shelf) Keep(keep func(key string) bool) {
	for key, v := range s.logs {
		if !keep(key) {
			s.remove(v)
		}
	}
}

// remove takes a log off the shelf; what waits in it is refused.
func (s *Shelf) remove(v *volume) {
	delete(s.logs, v.Key)
	delete(s.busy, v)
	v.Drop()
}

// shell makes a Shelf the history.Shell of its logs.
type shell Shelf

func (s *shell) volume(l *history.Log) *volume {
	if v := s.logs[l.Key]; v != nil && v.Log == l {
		return v
	}
	return nil // dropped
}

// Append implements history.Shell.
func (s *shell) Append(l *history.Log, after uint64, data []byte) {
	v := s.volume(l)
	begun := s.lane.Now()
	s.cfg.Metrics.bytes.Add(float64(len(data)))
	v.store.Append(l.Key, after, data, func(seq uint64, err error) {
		s.cfg.Crew.Note(err)
		s.lane.Do(func() {
			defer (*Shelf)(s).guard(l.Key)
			fault.Point("history.appended")
			now := s.lane.Now()
			s.cfg.Metrics.appended(now.Sub(begun), err)
			l.Appended(seq, err, now)
		})
	})
}

// Frame implements history.Shell.
func (s *shell) Frame(l *history.Log, p *history.Publication, at history.Position) []byte {
	return s.desk.Frame(l.Key, p, at)
}

// Deliver implements history.Shell.
func (s *shell) Deliver(l *history.Log, it *history.Item, r *history.Recent) {
	s.cfg.Metrics.stored.Inc()
	if it == nil {
		s.cfg.Metrics.foreign.Inc()
	}
	s.desk.Deliver(l.Key, it, history.Position{Offset: r.Offset, Epoch: l.Top().Epoch}, r.Frame)
}

// Ack implements history.Shell.
func (s *shell) Ack(l *history.Log, it *history.Item, at history.Position, duplicate bool) {
	if duplicate {
		s.cfg.Metrics.duplicates.Inc()
	}
	s.desk.Ack(l.Key, it, at, duplicate)
}

// Refuse implements history.Shell.
func (s *shell) Refuse(l *history.Log, it *history.Item, err error) {
	s.cfg.Metrics.refused.Inc()
	s.desk.Refuse(l.Key, it, err)
}
