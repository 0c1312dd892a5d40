package cluster

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// air is a network inside a synctest bubble: what is published is there at once.
type air struct {
	mu    sync.Mutex
	buses []*airBus // guarded by mu
}

type airBus struct {
	air    *air
	ch     chan *nats.Msg // guarded by air.mu, as the rest
	deaf   bool           // cut off, without the link showing it
	down   bool
	count  uint64
	closed error
}

func (a *air) bus() *airBus { return &airBus{air: a} }

func (b *airBus) set(change func(*airBus)) {
	b.air.mu.Lock()
	defer b.air.mu.Unlock()
	change(b)
}

func (b *airBus) subscribe(ch chan *nats.Msg) (func(), error) {
	b.set(func(b *airBus) { b.ch, b.air.buses = ch, append(b.air.buses, b) })
	return func() { b.set(func(b *airBus) { b.ch = nil }) }, nil
}

func (b *airBus) publish(_ Role, data []byte) error {
	b.air.mu.Lock()
	defer b.air.mu.Unlock()
	if b.down {
		return nats.ErrReconnectBufExceeded
	}
	if b.deaf {
		return nil
	}
	for _, to := range b.air.buses {
		if to.ch != nil && !to.deaf && !to.down {
			to.ch <- &nats.Msg{Data: data}
		}
	}
	return nil
}

func (b *airBus) flush(time.Duration) error { return nil }
func (b *airBus) dropped() uint64           { return 0 }

func (b *airBus) link() (bool, uint64, error) {
	b.air.mu.Lock()
	defer b.air.mu.Unlock()
	return !b.down, b.count, b.closed
}

// running is a Member whose Run has been started, and what it told.
type running struct {
	*Member
	bus  *airBus
	stop context.CancelFunc
	done chan error

	mu      sync.Mutex
	changes []*Views // guarded by mu
	deposed []uint32 // guarded by mu
}

func (r *running) config(id uint64, role Role) Config {
	return Config{
		Self: Node{Ref: Ref{ID: id}, Role: role, Name: "host", Lanes: 2},
		OnChange: func(v *Views) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.changes = append(r.changes, v)
		},
		OnDeposed: func(inc uint32) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.deposed = append(r.deposed, inc)
		},
		Registerer: prometheus.NewRegistry(),
	}
}

func (r *running) run(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	r.stop, r.done = cancel, make(chan error, 1)
	go func() { r.done <- r.Run(ctx) }()
	t.Cleanup(cancel)
}

func (a *air) start(t *testing.T, id uint64, role Role) *running {
	r := &running{bus: a.bus()}
	var err error
	if r.Member, err = newMember(r.bus, r.config(id, role)); err != nil {
		t.Fatal(err)
	}
	r.run(t)
	return r
}

// sees checks the IDs of the active routers in r's views.
func (r *running) sees(t *testing.T, want ...Ref) {
	t.Helper()
	synctest.Wait()
	var nodes []Node
	for _, ref := range want {
		nodes = append(nodes, Node{Ref: ref, Role: RoleRouter, Lanes: 2, State: Active})
	}
	got := r.Views().Routers
	if version(got.Active, nil) != version(nodes, nil) {
		t.Errorf("node %d sees %s, want %s", r.Self().ID, refs(got.Active), refs(nodes))
	}
}

func TestMemberLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &air{}
		began := time.Now()
		gateway, router := a.start(t, 1, RoleGateway), a.start(t, 2, RoleRouter)
		<-router.Ready()
		if d := time.Since(began); d != 500*time.Millisecond {
			t.Errorf("looked around for %s", d)
		}
		router.sees(t)
		router.Activate()
		gateway.sees(t, Ref{2, 0})
		router.sees(t, Ref{2, 0})
		if s := router.Self(); s.State != Active {
			t.Errorf("self: %+v", s)
		}

		late := a.start(t, 3, RoleRouter)
		<-late.Ready()
		late.sees(t, Ref{2, 0})
		late.Activate()
		gateway.sees(t, Ref{2, 0}, Ref{3, 0})

		router.Leave()
		router.Activate() // has left: no way back
		gateway.sees(t, Ref{3, 0})
		if n, ok := gateway.Views().Routers.Find(2); !ok || n.State != Leaving {
			t.Errorf("leaving router: %v %v", n, ok)
		}
		router.stop()
		if err := <-router.done; err != nil {
			t.Error(err)
		}
		late.sees(t, Ref{3, 0})
		if _, ok := gateway.Views().Routers.Find(2); ok {
			t.Error("the router is gone, and still found")
		}
		if d := time.Since(began); d != time.Second {
			t.Errorf("views took %s", d-time.Second)
		}

		gateway.mu.Lock()
		defer gateway.mu.Unlock()
		if n := len(gateway.changes); n != 4 || gateway.changes[3] != gateway.Views() {
			t.Errorf("%d changes", n)
		}
		if gateway.changes[0].Gateways != gateway.changes[3].Gateways {
			t.Error("the gateways' view was made anew, though nothing changed in it")
		}
		gateway.stop()
		late.stop()
		<-gateway.done
		<-late.done
	})
}

func TestMemberActivatedBeforeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &running{bus: (&air{}).bus()}
		var err error
		if r.Member, err = newMember(r.bus, r.config(1, RoleRouter)); err != nil {
			t.Fatal(err)
		}
		r.Activate()
		r.run(t)
		r.sees(t, Ref{1, 0})
		if err := r.Run(t.Context()); err == nil {
			t.Error("run a second time: no error")
		}
		r.stop()
		<-r.done
	})
}

// A node that is cut off is dead to the others after DeadAfter, buries nobody, and goes on
// under a new incarnation when it is heard again.
func TestMemberCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &air{}
		var all []*running
		for id := range uint64(3) {
			r := a.start(t, id+1, RoleRouter)
			all = append(all, r)
			r.Activate()
		}
		time.Sleep(2 * time.Second)
		all[0].bus.set(func(b *airBus) { b.deaf = true })
		time.Sleep(3250 * time.Millisecond)
		all[1].sees(t, Ref{2, 0}, Ref{3, 0})
		all[2].sees(t, Ref{2, 0}, Ref{3, 0})
		time.Sleep(3 * time.Second)
		all[0].sees(t, Ref{1, 0}, Ref{2, 0}, Ref{3, 0})

		all[0].bus.set(func(b *airBus) { b.deaf = false })
		time.Sleep(1250 * time.Millisecond)
		for _, r := range all {
			r.sees(t, Ref{1, 1}, Ref{2, 0}, Ref{3, 0})
		}
		all[0].mu.Lock()
		if d := all[0].deposed; len(d) != 1 || d[0] != 1 {
			t.Errorf("deposed: %v", d)
		}
		all[0].mu.Unlock()
		if n := testutil.ToFloat64(all[1].metrics.died.WithLabelValues("router")); n != 1 {
			t.Errorf("%v nodes died", n)
		}
		for _, r := range all {
			r.stop()
			<-r.done
		}
	})
}

// A node that has lost what it owned goes on under a new incarnation, which everyone hears of at once.
func TestMemberRenew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &air{}
		var all []*running
		for id := range uint64(2) {
			r := a.start(t, id+1, RoleRouter)
			all = append(all, r)
			r.Activate()
		}
		time.Sleep(2 * time.Second)
		all[0].Renew()
		time.Sleep(10 * time.Millisecond)
		for _, r := range all {
			r.sees(t, Ref{1, 1}, Ref{2, 0})
		}
		all[0].mu.Lock()
		if d := all[0].deposed; len(d) != 1 || d[0] != 1 {
			t.Errorf("deposed: %v", d)
		}
		all[0].mu.Unlock()
		for _, r := range all {
			r.stop()
			<-r.done
		}
	})
}

// A link that went and came back between two looks is noticed by its count.
func TestMemberLinkBlink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &air{}
		r := a.start(t, 1, RoleRouter)
		<-r.Ready()
		before := testutil.ToFloat64(r.metrics.sent)
		r.bus.set(func(b *airBus) { b.count++ })
		time.Sleep(300 * time.Millisecond)
		if n := testutil.ToFloat64(r.metrics.sent) - before; n != 1 {
			t.Errorf("%v beats, want one hello", n)
		}
		r.bus.set(func(b *airBus) { b.down = true })
		time.Sleep(5 * time.Second)
		if n := testutil.ToFloat64(r.metrics.unsent); n > 1 { // one may run into the closing door
			t.Errorf("%v beats tried without a link", n)
		}
		r.bus.set(func(b *airBus) { b.closed = nats.ErrConnectionClosed })
		if err := <-r.done; !errors.Is(err, nats.ErrConnectionClosed) {
			t.Errorf("connection closed: %v", err)
		}
	})
}

func TestMemberCountsBadBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &air{}
		r := a.start(t, 1, RoleRouter)
		other := a.bus()
		<-r.Ready()
		for _, bad := range []string{`not JSON`, `{"v":9}`, ``} {
			if err := other.publish(RoleRouter, []byte(bad)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := testutil.ToFloat64(r.metrics.invalid); n != 3 {
			t.Errorf("%v invalid beats, want 3", n)
		}
		r.stop()
		<-r.done
	})
}

// A load that JSON cannot carry is left out; the beat is sent.
func TestMemberLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &air{}
		ch := make(chan *nats.Msg, 100)
		if _, err := a.bus().subscribe(ch); err != nil {
			t.Fatal(err)
		}
		load := map[string]float64{"connections": 7}
		r := &running{bus: a.bus()}
		cfg := r.config(1, RoleGateway)
		cfg.Load = func() map[string]float64 { return load }
		var err error
		if r.Member, err = newMember(r.bus, cfg); err != nil {
			t.Fatal(err)
		}
		for _, want := range []int{1, 0} {
			e := r.members.Beat(time.Now(), Beat{Node: Node{Ref: Ref{ID: 2}, Role: RoleRouter}, Hello: true})
			r.apply(e)
			b, err := decodeBeat((<-ch).Data)
			if err != nil || len(b.Load) != want {
				t.Errorf("load %v, %v; want %d numbers", b.Load, err, want)
			}
			load["connections"] = math.NaN()
			time.Sleep(time.Second)
		}
	})
}

func TestConfig(t *testing.T) {
	good := Config{Self: Node{Ref: Ref{ID: 1}, Role: RoleRouter, Name: "host", State: Leaving}}
	c, err := good.withDefaults()
	if err != nil || c.BeatInterval != time.Second || c.DeadAfter != 3*time.Second || c.SuspectAfter != time.Second || c.Log == nil || c.Self.State != Joining {
		t.Errorf("defaults: %+v, %v", c, err)
	}
	for name, spoil := range map[string]func(*Config){
		"no ID":          func(c *Config) { c.Self.ID = 0 },
		"last Inc":       func(c *Config) { c.Self.Inc = math.MaxUint32 },
		"no role":        func(c *Config) { c.Self.Role = "cook" },
		"no name":        func(c *Config) { c.Self.Name = "" },
		"negative lanes": func(c *Config) { c.Self.Lanes = -1 },
		"short interval": func(c *Config) { c.BeatInterval = time.Millisecond },
		"short dead":     func(c *Config) { c.DeadAfter = 2 * time.Second },
		"short suspect":  func(c *Config) { c.SuspectAfter = 999 * time.Millisecond },
	} {
		c := good
		spoil(&c)
		if _, err := New(nil, c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	good.Registerer = prometheus.NewRegistry()
	if _, err := New(nil, good); err != nil {
		t.Fatal(err)
	}
	if _, err := New(nil, good); err == nil {
		t.Error("two members of one role on one registry: no error")
	}
	good.Self.Role = RoleGateway
	if _, err := New(nil, good); err != nil {
		t.Errorf("another role on the same registry: %v", err)
	}
}
