package shelf

import (
	"context"
	"slices"
	"time"

	"github.com/realtime-cluster/realtime/pkg/history"
)

const (
	// sweepEvery is how often all logs are looked at.
	sweepEvery = 5 * time.Second
	// idleTime is after how long a log that nobody uses is given up: it is read again when it is.
	idleTime = 10 * time.Minute
	// auditFirst is how often it is looked up, at the beginning, whether another owner has written to a log after this one
	// read it: a write of a deposed owner can take place late, and nobody here would know. auditLater is how often from then on.
	auditFirst, auditLater = 5 * time.Second, time.Minute
	auditsFirst            = 3
)

// Tick does what is due by time. It is called some times a second.
func (s *Shelf) Tick() {
	now := s.lane.Now()
	for v := range s.busy {
		s.tick(v, now)
	}
	if len(s.tells) > 0 {
		s.verify()
	}
	if now.Sub(s.swept) >= sweepEvery {
		s.swept = now
		s.sweep(now)
	}
}

func (s *Shelf) tick(v *volume, now time.Time) {
	defer s.guard(v.Key)
	if v.Tick(now); !v.Busy() {
		delete(s.busy, v)
	}
}

// sweep has logs go by the latest bounds of their rules, trims what is stored, forgets what is too old, and gives up what is not used, or too much.
func (s *Shelf) sweep(now time.Time) {
	memory := 0
	for _, v := range s.logs {
		v.Rule = s.cfg.Rules.latest(v.Rule)
		if !v.trimming {
			if before := v.Trim(now); before > 0 {
				s.trim(v, before)
			}
		}
		v.Expire(now.Add(-s.cfg.Window))
		v.Tick(now)
		s.audit(v, now)
		if now.Sub(v.used) > idleTime && !v.Busy() && !v.trimming && !v.filling {
			s.remove(v)
			continue
		}
		memory += v.Remembered()
	}
	s.counted(memory)
	if memory > s.cfg.Memory {
		s.forget(memory)
	}
}

// counted brings the gauges up to date, which the lanes of a node share.
func (s *Shelf) counted(memory int) {
	s.cfg.Metrics.logs.Add(float64(len(s.logs) - s.countedLogs))
	s.cfg.Metrics.memoryBytes.Add(float64(memory - s.countedMemory))
	s.countedLogs, s.countedMemory = len(s.logs), memory
}

// audit has it looked up, when that is due, whether the store has what the log does not know of.
func (s *Shelf) audit(v *volume, now time.Time) {
	every := auditLater
	if v.audits < auditsFirst {
		every = auditFirst
	}
	if !v.Known() || v.Busy() || now.Sub(v.audited) < every || len(s.tells) >= tellsMost {
		return
	}
	v.audits++
	v.audited = now
	s.tells = append(s.tells, telling{v.Key, v.Rule, v.Top(), func(history.Position) {}})
}

// forget gives up what the logs remember that were not used for longest, until a tenth of the memory is free.
func (s *Shelf) forget(memory int) {
	list := make([]*volume, 0, len(s.logs))
	for _, v := range s.logs {
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b *volume) int { return a.used.Compare(b.used) })
	for _, v := range list {
		if memory <= s.cfg.Memory/10*9 {
			return
		}
		memory -= v.Remembered()
		v.Forget()
		s.cfg.Metrics.forgotten.Inc()
	}
}

// trim has the store remove what the rule does not keep.
func (s *Shelf) trim(v *volume, before uint64) {
	v.trimming = true
	store, key := v.store, v.Key
	s.cfg.Crew.Work(s.lane, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, readTime)
		defer cancel()
		return away(ctx, store.Trim(ctx, key, before))
	}, func(error) { v.trimming = false }) // what failed is removed the next time, or by age
}
