package supervise

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/metric"
)

const (
	// MostRestarts is how often a part may be restarted within Window. The pauses before them are some three seconds together: what
	// passes in that time, as a dependency's hiccup, is got over; what does not would fail again.
	MostRestarts = 5
	// Window is a minute: what fails less often costs its clients less than the end of the process would.
	Window = time.Minute
	// FirstPause is the longest pause before the first restart. It doubles with each failure within Window, up to MaxPause.
	// Each pause is between half of that and all of it, so that parts which failed together do not restart together.
	FirstPause = 100 * time.Millisecond
	// MaxPause is the longest pause of all.
	MaxPause = 2 * time.Second
	// UnreadyTime is how long a process that gave up a part is not ready before it ends: about as long as load balancers take
	// to notice.
	UnreadyTime = 5 * time.Second
)

// errEnded is the failure of a part that returned nil too early.
var errEnded = errors.New("ended by itself")

// Part is what is to run until it is told to end.
type Part struct {
	Name string // in logs and metrics: of a number that does not grow, without users and topics

	// Run works until ctx is done, and has joined its goroutines when it returns. A panic in it, or its return
	// before ctx is done, is a failure: it is called again.
	Run func(ctx context.Context) error

	// Pulse shows whether Run still turns; nil: that is not watched.
	Pulse *Pulse

	// Failed is called after each failure, before the pause; nil: nothing is to be done.
	Failed func()
	// GaveUp is called when Run will not be called again although ctx is not done; nil: nothing is to be done.
	GaveUp func()
}

// Supervisor restarts the parts of a process. It is safe for concurrent use.
type Supervisor struct {
	log      *zap.Logger
	restarts *prometheus.CounterVec
	up       *prometheus.GaugeVec

	mu     sync.Mutex
	pulses map[*Pulse]string // of the parts that run, with their names; guarded by mu

	gaveUp chan struct{} // closed with the first part that was given up
	once   sync.Once
	err    error // why; written before gaveUp is closed
}

// New makes a Supervisor. It starts nothing. role is the metrics' label; with a nil reg they are not registered.
func New(log *zap.Logger, reg prometheus.Registerer, role string) *Supervisor {
	f := metric.For(reg, role)
	return &Supervisor{
		log:      log,
		restarts: f.CounterVec(metric.PartRestarts, "part"),
		up:       f.GaugeVec(metric.PartUp, "part"),
		pulses:   make(map[*Pulse]string),
		gaveUp:   make(chan struct{}),
	}
}

// Run runs a part, and runs it again when it fails. It returns when ctx is done and the part has ended, also where the part was
// given up before.
func (s *Supervisor) Run(ctx context.Context, p Part) {
	up, restarts := s.up.WithLabelValues(p.Name), s.restarts.WithLabelValues(p.Name)
	var failures []time.Time // within Window
	for {
		up.Set(1)
		unwatch := s.pulse(p)
		err := Call(func() error { return p.Run(ctx) })
		unwatch()
		up.Set(0)
		panicked := new(Panic)
		if !errors.As(err, &panicked) {
			if ctx.Err() != nil {
				return
			}
			if err == nil {
				err = errEnded
			}
		}
		if ctx.Err() != nil { // a panic while it ended
			s.log.Error("a part failed at its end", append(panicked.Fields(), zap.String("part", p.Name))...)
			return
		}
		now := time.Now()
		for len(failures) > 0 && now.Sub(failures[0]) >= Window {
			failures = failures[1:]
		}
		failures = append(failures, now)
		fields := []zap.Field{zap.String("part", p.Name), zap.Error(err), zap.Int("failures", len(failures))}
		if panicked.Stack != nil {
			fields = append(fields, zap.ByteString("stack", panicked.Stack))
		}
		if failed := s.hook(p.Failed); failed != nil {
			fields = append(fields, zap.NamedError("cleanup", failed))
		}
		if len(failures) > MostRestarts {
			s.giveUp(p, err, fields)
			<-ctx.Done()
			return
		}
		wait := pause(len(failures))
		s.log.Error("a part failed, and is restarted", append(fields, zap.Duration("pause", wait))...)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		restarts.Inc()
	}
}

// pause is how long to wait before a restart, after some failures.
func pause(failures int) time.Duration {
	d := min(FirstPause<<(failures-1), MaxPause)
	return d/2 + rand.N(d/2)
}

// hook calls a part's Failed or GaveUp, nil for none: what they do for a part that is broken may fail, too.
func (s *Supervisor) hook(call func()) error {
	if call == nil {
		return nil
	}
	return Call(func() error { call(); return nil })
}

func (s *Supervisor) giveUp(p Part, err error, fields []zap.Field) {
	err = fmt.Errorf("%s failed %d times within %v: %w", p.Name, MostRestarts+1, Window, err)
	if failed := s.hook(p.GaveUp); failed != nil {
		fields = append(fields, zap.NamedError("end", failed))
	}
	s.log.Error("a part failed too often: the process is not ready, and ends", append(fields, zap.Duration("in", UnreadyTime))...)
	s.once.Do(func() {
		s.err = err
		close(s.gaveUp)
	})
}

// Ready is nil until a part was given up, and then says which.
func (s *Supervisor) Ready() error {
	select {
	case <-s.gaveUp:
		return s.err
	default:
		return nil
	}
}

// Wait waits until ctx is done, and returns nil; or, once a part was given up, for UnreadyTime more, and returns why.
func (s *Supervisor) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return s.Ready()
	case <-s.gaveUp:
	}
	select {
	case <-ctx.Done():
	case <-time.After(UnreadyTime):
	}
	return s.err
}
