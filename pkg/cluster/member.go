package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

// goneTimeout bounds the farewell.
const goneTimeout = time.Second

// Member is this node's membership: it beats, listens, and keeps the views. Its methods may
// be called from any goroutine.
type Member struct {
	// Static.
	cfg     Config
	bus     bus
	metrics *metrics
	ready   chan struct{} // closed by Run

	// Shared.
	started atomic.Bool
	views   atomic.Pointer[Views] // written by Run
	self    atomic.Pointer[Node]  // written by Run
	want    atomic.Uint32         // the State to be in
	wanted  chan struct{}         // cap 1: want has grown
	renew   chan struct{}         // cap 1: Renew was called
	reports *reports              // of Suspect
	dropped atomic.Uint64         // beats that found the queue full, as bus last told

	demands atomic.Pointer[[]float64] // of the others of our role; written by Run

	// Owned by Run.
	members *Members
	up      bool
	returns uint64 // of the link, as last seen
}

// New checks cfg and registers the metrics; it starts nothing. Beats go over nc, whose
// handlers are left alone. nc should have been made without nats.NoEcho, else a hung NATS
// server looks like everyone's death, and with a ReconnectWait plus jitter well under
// DeadAfter, else those who reconnect first declare dead those who reconnect last.
func New(nc *nats.Conn, cfg Config) (*Member, error) { return newMember(&natsBus{nc: nc}, cfg) }

func newMember(b bus, cfg Config) (*Member, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	m := &Member{
		cfg: cfg, bus: b,
		ready: make(chan struct{}), wanted: make(chan struct{}, 1), renew: make(chan struct{}, 1),
		reports: newReports(cfg.BeatInterval / 2),
		members: newMembers(cfg.Self, cfg.BeatInterval, cfg.DeadAfter, cfg.SuspectAfter),
	}
	dropped := func() float64 { return float64(m.dropped.Load()) }
	if m.metrics, err = newMetrics(cfg.Registerer, cfg.Self.Role, dropped); err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	m.views.Store(m.members.views)
	m.self.Store(&cfg.Self)
	m.demands.Store(new([]float64))
	return m, nil
}

// Views is the views as they are now, the same that OnChange was last called with, or is
// about to be.
func (m *Member) Views() *Views { return m.views.Load() }

// Self is this node as it is now: its incarnation and state.
func (m *Member) Self() Node { return *m.self.Load() }

// Demands is what the other live nodes of our role demand, as their last beats told: those that own keys
// and those that are leaving. Not to be written to.
func (m *Member) Demands() []float64 { return *m.demands.Load() }

// Ready is closed when the first look around is over: whoever could be heard is in the views.
func (m *Member) Ready() <-chan struct{} { return m.ready }

// Activate makes this node own keys, once and for as long as it does not Leave. It returns
// at once; OnChange follows, then everyone is told. Before Run, it takes effect with its start.
func (m *Member) Activate() { m.become(Active) }

// Leave makes this node own nothing while it stays alive. It returns at once; OnChange
// follows, then everyone is told.
func (m *Member) Leave() { m.become(Leaving) }

func (m *Member) become(s State) {
	for {
		was := m.want.Load()
		if State(was) >= s {
			return
		}
		if m.want.CompareAndSwap(was, uint32(s)) {
			break
		}
	}
	select {
	case m.wanted <- struct{}{}:
	default: // Run has yet to read want
	}
}

// Renew has this node go on under a new incarnation, as if the others had declared it dead: what it owned it has lost, or
// part of that. It returns at once; OnDeposed and OnChange follow, then everyone is told.
func (m *Member) Renew() {
	select {
	case m.renew <- struct{}{}:
	default: // Run has yet to do it
	}
}

// Suspect says that the NATS server found nobody where a node of the views should listen. If
// that is not heard within SuspectAfter, it is dead. Returns at once, and costs next to
// nothing where the node is gone or was reported a moment ago.
func (m *Member) Suspect(ref Ref) {
	v := m.Views()
	for _, r := range Roles {
		if n, ok := v.Of(r).Find(ref.ID); ok && n.Ref == ref {
			m.reports.add(ref, time.Now())
			return
		}
	}
}

// Run takes part in the cluster until ctx is done, then says that this node is gone and
// returns nil. It returns an error when the connection is closed for good, or cannot be
// subscribed on. It can be called again when it has returned, or panicked.
func (m *Member) Run(ctx context.Context) error {
	if m.started.Swap(true) {
		return errors.New("cluster: run called twice")
	}
	defer m.started.Store(false)
	beats := make(chan *nats.Msg, maxQueuedBeats)
	stop, err := m.bus.subscribe(beats)
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	defer stop()
	if m.up, m.returns, err = m.bus.link(); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	if !m.up {
		m.apply(m.members.LinkDown(time.Now()))
	}
	m.apply(m.members.Tick(time.Now()))

	tick := time.NewTicker(m.members.tickEvery())
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			m.farewell()
			return nil
		case msg := <-beats:
			m.receive(msg.Data)
		case <-m.wanted:
			m.advance()
		case <-m.renew:
			m.apply(m.members.Renew(time.Now()))
		case <-m.reports.come:
			m.apply(m.members.Suspect(time.Now(), m.reports.take(time.Now())))
		case <-tick.C:
			if err := m.checkLink(); err != nil {
				return fmt.Errorf("cluster: %w", err)
			}
			now := time.Now()
			m.apply(m.members.Tick(now))
			m.dropped.Store(m.bus.dropped())
			if m.cfg.Turned != nil {
				m.cfg.Turned(time.Since(now))
			}
		}
	}
}

func (m *Member) receive(data []byte) {
	m.metrics.received.Inc()
	b, err := decodeBeat(data)
	if err != nil {
		m.metrics.invalid.Inc()
		m.cfg.Log.Debug("heartbeat ignored", zap.Error(err))
		return
	}
	m.apply(m.members.Beat(time.Now(), b))
}

// advance goes to the state that is wanted.
func (m *Member) advance() {
	switch State(m.want.Load()) {
	case Active:
		m.apply(m.members.Activate(time.Now()))
	case Leaving:
		m.apply(m.members.Leave(time.Now()))
	}
}

// checkLink looks at the link once per tick. One that went and came between two looks shows
// in its count of returns.
func (m *Member) checkLink() error {
	up, returns, err := m.bus.link()
	if err != nil {
		return err
	}
	if m.up && (!up || returns != m.returns) {
		m.cfg.Log.Debug("NATS link lost: silence is no evidence of death until it is back")
		m.apply(m.members.LinkDown(time.Now()))
		m.up = false
	}
	if !m.up && up {
		m.cfg.Log.Debug("NATS link is up")
		m.apply(m.members.LinkUp(time.Now()))
	}
	m.up, m.returns = up, returns
	return nil
}

// apply carries out what Members asks for. We know of our own state before others are told.
func (m *Member) apply(e Effects) {
	if self := m.members.Self(); self != *m.self.Load() {
		m.self.Store(&self)
	}
	for _, c := range e.Changes {
		if c.Why == Died || c.Why == DiedSuspected {
			m.metrics.died.WithLabelValues(string(c.Node.Role)).Inc()
		}
	}
	for _, n := range e.Suspected {
		m.metrics.suspects.WithLabelValues(string(n.Role)).Inc()
		m.cfg.Log.Debug("node suspected", zap.Stringer("suspect", n.Ref), zap.String("role", string(n.Role)))
	}
	if e.Demands {
		list := m.members.demands()
		m.demands.Store(&list)
	}
	if e.Views != nil {
		old := m.views.Swap(e.Views)
		m.metrics.view(old, e.Views)
		m.logViews(old, e.Views, e.Changes)
	}
	if e.Deposed {
		m.deposed()
	}
	if e.Views != nil && m.cfg.OnChange != nil {
		m.cfg.OnChange(e.Views)
	}
	if e.Ready {
		close(m.ready)
	}
	if e.Beat != nil {
		m.publish(*e.Beat)
	}
}

func (m *Member) deposed() {
	inc := m.members.Self().Inc
	m.metrics.deposed.Inc()
	m.cfg.Log.Warn("going on under a new incarnation: declared dead by others, or a part has failed", zap.Uint32("inc", inc))
	if m.cfg.OnDeposed != nil {
		m.cfg.OnDeposed(inc)
	}
}

// publish tells everyone. A beat that cannot be sent is not tried again: the next one says
// the same.
func (m *Member) publish(b Beat) {
	if m.cfg.Load != nil {
		b.Load = m.cfg.Load()
	}
	if m.cfg.Demand != nil && !b.Gone {
		b.Demand = m.cfg.Demand()
	}
	data, err := b.encode()
	if err != nil { // a load that is no number must not cost us our life
		m.cfg.Log.Warn("load and demand left out of heartbeat", zap.Error(err))
		b.Load, b.Demand = nil, 0
		data, err = b.encode()
	}
	if err == nil {
		err = m.bus.publish(b.Role, data)
	}
	if err != nil {
		m.metrics.unsent.Inc()
		m.cfg.Log.Warn("heartbeat not sent", zap.Error(err))
		return
	}
	m.metrics.sent.Inc()
}

// farewell spares the others the DeadAfter until they would notice. It is a courtesy:
// without a link it is left out.
func (m *Member) farewell() {
	if up, _, err := m.bus.link(); err != nil || !up {
		return
	}
	m.publish(m.members.Gone())
	if err := m.bus.flush(goneTimeout); err != nil {
		m.cfg.Log.Warn("the others may not know that this node is gone", zap.Error(err))
	}
}
