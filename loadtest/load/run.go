//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
	"github.com/realtime-cluster/realtime/loadtest/usage"
)

// conductor leads a run through its phases.
type conductor struct {
	set     settings
	log     io.Writer
	clock   clock
	cluster *cluster.Cluster // nil without -start
	crew    *crew
	workers []server
	rep     *report

	base  *use  // before the first connection
	empty int64 // bytes of the workers' memory then

	mu    sync.Mutex // guards phase
	phase string
}

// measure does a run.
func measure(ctx context.Context, set settings, log io.Writer) (rep *report, err error) {
	c := &conductor{set: set, log: log, clock: newClock()}
	descriptors, err := usage.RaiseDescriptors()
	if err != nil {
		return nil, err
	}
	if per := (set.connections + set.processes - 1) / set.processes; uint64(per)+50 > descriptors {
		return nil, fmt.Errorf("-processes %d: each would need %d descriptors, and may have %d", set.processes, per+50, descriptors)
	}
	if set.start != nil {
		fmt.Fprintln(log, "load: starting servers")
		if c.cluster, err = startServers(ctx, &c.set, descriptors); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, c.cluster.Close()) }()
	}
	if err := c.hire(ctx); err != nil {
		return nil, err
	}
	defer c.crew.close()
	c.rep = &report{
		Scenario: c.set.scenario, Arguments: c.set.args, Begun: time.Now(), Machine: thisMachine(), Targets: c.set.urls,
		Processes: c.set.processes, Asked: c.set.connections,
	}
	end := c.watch()
	err = c.phases(ctx)
	c.rep.Series = end()
	if err != nil {
		return nil, err
	}
	c.rep.Interrupted = ctx.Err() != nil
	c.rep.judge(&c.set)
	return c.rep, nil
}

// hire starts the workers.
func (c *conductor) hire(ctx context.Context) error {
	addrs, paths, err := resolve(ctx, c.set.urls)
	if err != nil {
		return err
	}
	run := strconv.FormatUint(rand.Uint64N(1<<40), 36)
	c.crew, err = startCrew(c.set.processes, func(i int) setup {
		return setup{
			Index: i, Workers: c.set.processes, Targets: addrs, Paths: paths, Source: source(i, addrs),
			Secret: c.set.secret, TokenLife: time.Hour + 2*c.set.duration, Run: run,
			Kinds: c.set.kinds(), Total: c.set.connections, History: c.set.history, Own: c.set.own, Size: c.set.size,
			Handshakes: max(1, c.set.handshakes/c.set.processes), Reconnect: c.set.reconnect, Tick: c.set.tick,
		}
	})
	if err != nil {
		return err
	}
	for _, pid := range c.crew.pids() {
		c.workers = append(c.workers, server{pid: pid})
	}
	return nil
}

func (c *conductor) phases(ctx context.Context) error {
	if _, err := c.crew.do(order{Do: doState}); err != nil { // they are up
		return err
	}
	c.base = look(c.set.pids, nil)
	c.empty = look(c.workers, nil).allRSS()
	c.enter("connect")
	if err := c.connect(ctx); err != nil {
		return err
	}
	if err := c.speak(ctx); err != nil {
		return err
	}
	if c.set.drain && ctx.Err() == nil {
		c.enter("drain")
		if err := c.drain(ctx); err != nil {
			return err
		}
	}
	n := c.crew.counts()
	r := c.rep
	r.Closed, r.Refused, r.ErrorCodes = n.Closed, n.Refused, n.Errors
	r.Unresumed = n.Unresumed
	for _, k := range n.Errors {
		r.Errors += k
	}
	return nil
}

// connect opens the connections, in steps.
func (c *conductor) connect(ctx context.Context) error {
	r := &c.rep.Connect
	cpu := c.base
	begin := c.base
	for i := range c.set.steps {
		began := time.Now()
		if err := c.crew.all(order{Do: doConnect, Upto: c.set.connections * (i + 1) / c.set.steps, Rate: c.set.rate}); err != nil {
			return err
		}
		if err := c.answers(ctx); err != nil {
			return err
		}
		took := time.Since(began).Seconds()
		if _, err := c.crew.do(order{Do: doFlush}); err != nil {
			return err
		}
		now := look(c.set.pids, cpu)
		s := step{Connections: c.crew.counts().Ready, Seconds: took, Welcome: c.crew.takePart().latency(histWelcome)}
		before := 0
		if i > 0 {
			before = r.Steps[i-1].Connections
		}
		came := float64(s.Connections - before)
		s.PerSecond = came / took
		s.CPU, s.CPUByRole = c.perRole(begin, now, came)
		r.Seconds += took
		c.settle(ctx)
		begin = look(c.set.pids, now) // what it takes to settle is no connection's
		s.RSS, s.RSSByRole = begin.allRSS(), c.byRole(begin)
		r.CPU += s.CPU * came
		r.Steps = append(r.Steps, s)
		cpu = begin
		if ctx.Err() != nil {
			break
		}
	}
	n := c.crew.counts().Ready
	c.rep.Connections = n
	if n > 0 {
		r.PerSecond, r.CPU = float64(n)/r.Seconds, r.CPU/float64(n)
	}
	c.crew.mu.Lock()
	r.Welcome, r.Greeted = c.crew.totals.latency(histWelcome), c.crew.totals.latency(histGreeted)
	c.crew.mu.Unlock()
	rss := look(c.workers, nil).allRSS()
	c.rep.Clients = clientReport{RSS: rss, Bytes: float64(rss-c.empty) / float64(max(n, 1))}
	return nil
}

// answers waits for those of the workers. When ctx ends they end early what they do.
func (c *conductor) answers(ctx context.Context) error {
	done := make(chan error, 1)
	go func() {
		_, err := c.crew.answers()
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	if err := c.crew.all(order{Do: doHalt}); err != nil {
		return err
	}
	return <-done
}

// settle waits until the servers' memory has stood still for two seconds, within one part in two hundred.
func (c *conductor) settle(ctx context.Context) {
	const step, still = 250 * time.Millisecond, 8
	was, same := int64(0), 0
	for end := time.Now().Add(c.set.settle); same < still && time.Now().Before(end) && ctx.Err() == nil && len(c.set.pids) > 0; same++ {
		if now := look(c.set.pids, nil).allRSS(); max(now-was, was-now) > was/200 {
			was, same = now, -1
		}
		pause(ctx, step)
	}
}

// pause is a sleep that ends with ctx.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// speak lets the connections send, and looks at what came of it.
func (c *conductor) speak(ctx context.Context) error {
	const lead = 50 * time.Millisecond // until every worker has its order
	before, clients, began := look(c.set.pids, c.base), look(c.workers, nil), time.Now()
	r := c.rep
	if ctx.Err() == nil {
		c.enter("send")
		if err := c.crew.all(order{Do: doSend, Start: c.clock.now() + int64(lead), Length: c.set.duration}); err != nil {
			return err
		}
		if err := c.answers(ctx); err != nil {
			return err
		}
		r.Seconds = (time.Since(began) - lead).Seconds()
		if err := c.quiet(ctx); err != nil {
			return err
		}
	}
	took := time.Since(began).Seconds()
	after, clientsAfter := look(c.set.pids, before), look(c.workers, clients)
	if _, err := c.crew.do(order{Do: doFlush}); err != nil {
		return err
	}
	if err := c.verify(); err != nil {
		return err
	}
	n := c.crew.counts()
	r.Sent, r.Unsent, r.Acked, r.Delivered, r.Expected, r.Unanswered = n.Sent, n.Unsent, n.Acked, n.Delivered, n.Expected, n.InFlight
	c.latencies()
	r.Clients.CPUPercent = percent(clientsAfter.allCPU()-clients.allCPU(), took)
	if len(c.set.pids) > 0 {
		c.servers(before, after, took)
	}
	return nil
}

// quiet waits until all has come, or -patience has ended.
func (c *conductor) quiet(ctx context.Context) error {
	for end := time.Now().Add(c.set.patience); time.Now().Before(end) && ctx.Err() == nil; pause(ctx, 20*time.Millisecond) {
		if _, err := c.crew.do(order{Do: doState}); err != nil {
			return err
		}
		if n := c.crew.counts(); n.InFlight == 0 && n.Delivered >= n.Expected {
			return nil
		}
	}
	return nil
}

// verify tells every worker what all of them sent.
func (c *conductor) verify() error {
	list, err := c.crew.do(order{Do: doAccount})
	if err != nil {
		return err
	}
	o := order{Do: doVerify}
	for _, a := range list {
		o.Sent = append(o.Sent, a.Sent...)
		o.Excused = append(o.Excused, a.Excused...)
	}
	if list, err = c.crew.do(o); err != nil {
		return err
	}
	for _, a := range list {
		c.rep.wrongs.add(a.Wrong)
	}
	return nil
}

func (c *conductor) latencies() {
	c.crew.mu.Lock()
	defer c.crew.mu.Unlock()
	r, h := c.rep, c.crew.totals
	r.Delivery, r.Ack, r.Late, r.Distribution = h.latency(histDelivery), h.latency(histAck), h.latency(histLate), h.distribution(histDelivery)
	r.P50, r.P95, r.P99 = r.Delivery.P50, r.Delivery.P95, r.Delivery.P99
	if kinds := c.set.kinds(); len(kinds) > 1 {
		r.ByKind = make(map[string]latency)
		for _, k := range kinds {
			r.ByKind[k.Name] = h.latency(k.Name)
		}
	}
}

// servers tells what the servers used while messages were sent, which took so many seconds.
func (c *conductor) servers(before, after *use, took float64) {
	r := c.rep
	s := &serverReport{RSS: after.allRSS(), CPUPercent: percent(after.allCPU()-before.allCPU(), took), BytesByRole: make(map[string]float64)}
	if r.Delivered > 0 {
		s.CPU, s.CPUByRole = c.perRole(before, after, float64(r.Delivered))
	}
	var x []int
	var y []float64
	for _, st := range r.Connect.Steps {
		x, y = append(x, st.Connections), append(y, float64(st.RSS))
	}
	if r.Connections > 0 {
		s.Bytes = slope(float64(c.base.allRSS()), x, y)
		for role, base := range c.byRole(c.base) {
			for i, st := range r.Connect.Steps {
				y[i] = float64(st.RSSByRole[role])
			}
			s.BytesByRole[role] = slope(float64(base), x, y)
		}
	}
	for i, p := range c.set.pids {
		s.Processes = append(s.Processes, processReport{
			Name: p.name, Role: p.role, PID: p.pid, RSS: after.rss[i],
			CPUSeconds: (after.cpu[i] - c.base.cpu[i]).Seconds(), CPUPercent: percent(after.cpu[i]-before.cpu[i], took),
		})
	}
	r.Server = s
}

func percent(d time.Duration, seconds float64) float64 { return 100 * d.Seconds() / seconds }

// perRole is the CPU time between two looks for each of n things, in microseconds.
func (c *conductor) perRole(before, after *use, n float64) (all float64, roles map[string]float64) {
	if n <= 0 || len(c.set.pids) == 0 {
		return 0, nil
	}
	roles = make(map[string]float64)
	for i, p := range c.set.pids {
		us := float64((after.cpu[i] - before.cpu[i]).Nanoseconds()) / 1000 / n
		roles[p.role] += us
		all += us
	}
	return all, roles
}

func (c *conductor) byRole(u *use) map[string]int64 {
	m := make(map[string]int64)
	for i, p := range c.set.pids {
		m[p.role] += u.rss[i]
	}
	return m
}

// drain ends the last gateway, and waits until its clients are back.
func (c *conductor) drain(ctx context.Context) error {
	const most = 2 * time.Minute
	target := len(c.cluster.Gateways) - 1
	gateway := c.cluster.Gateways[target]
	if _, err := c.crew.do(order{Do: doDrain, Target: target}); err != nil {
		return err
	}
	c.crew.takePart()
	before, began := look(c.set.pids, nil), time.Now()
	d := &drainReport{Gateway: gateway.Name, Exit: -1}
	ended := make(chan struct{})
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	var stopErr error
	go func() {
		defer close(ended)
		d.Exit, stopErr = gateway.Stop(ctx)
		d.Ended = time.Since(began).Seconds()
	}()
	for ctx.Err() == nil {
		if _, err := c.crew.do(order{Do: doState}); err != nil {
			return err
		}
		if n := c.crew.counts().Drain; n.Back >= n.Held {
			break
		}
		pause(ctx, 50*time.Millisecond)
	}
	d.Seconds = time.Since(began).Seconds()
	<-ended
	if _, err := c.crew.do(order{Do: doFlush}); err != nil {
		return err
	}
	n := c.crew.counts().Drain
	d.Held, d.Told, d.MostMS, d.Restarts, d.Otherwise, d.Back, d.Resumed = n.Held, n.Told, n.MostMS, n.Restarts, n.Otherwise, n.Back, n.Resumed
	d.Away = c.crew.takePart().latency(histAway)
	after := look(c.set.pids, before)
	d.CPU, _ = c.perRole(before, after, float64(d.Back))
	c.rep.Drain = d
	if stopErr != nil {
		fmt.Fprintln(c.log, "load:", stopErr)
	}
	return nil
}

func (c *conductor) enter(phase string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase = phase
}

func (c *conductor) current() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase
}

// watch takes a moment every tick and shows it, until end is called, which returns them.
func (c *conductor) watch() (end func() []moment) {
	stop, done := make(chan struct{}), make(chan []moment)
	go func() {
		w := &watcher{c: c, began: time.Now(), servers: look(c.set.pids, nil), workers: look(c.workers, nil)}
		w.last = w.began
		list := []moment{{Phase: "start", CPU: make([]float64, len(c.set.pids)), RSS: w.servers.rss}}
		ticker := time.NewTicker(c.set.tick)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				done <- append(list, w.moment())
				return
			case <-ticker.C:
				m := w.moment()
				list = append(list, m)
				m.print(c.log)
			}
		}
	}()
	return func() []moment {
		close(stop)
		return <-done
	}
}

// watcher knows what was at the moment before.
type watcher struct {
	c                *conductor
	began, last      time.Time
	servers, workers *use
	counts           counts
}

func (w *watcher) moment() moment {
	c, now := w.c, time.Now()
	servers, workers, n := look(c.set.pids, w.servers), look(c.workers, w.workers), c.crew.counts()
	took := now.Sub(w.last).Seconds()
	l := c.crew.takeRecent().latency(histDelivery)
	m := moment{
		At: now.Sub(w.began).Seconds(), Phase: c.current(), Connections: n.Ready,
		Connects: float64(n.Welcomed-w.counts.Welcomed) / took, Sent: float64(n.Sent-w.counts.Sent) / took,
		Delivered: float64(n.Delivered-w.counts.Delivered) / took,
		P50:       l.P50, P95: l.P95, P99: l.P99, Max: l.Max, RSS: servers.rss,
		ClientCPU: percent(workers.allCPU()-w.workers.allCPU(), took),
	}
	for _, k := range n.Errors {
		m.Errors += k
	}
	for i := range servers.cpu {
		m.CPU = append(m.CPU, percent(servers.cpu[i]-w.servers.cpu[i], took))
	}
	w.last, w.servers, w.workers, w.counts = now, servers, workers, n
	return m
}

func thisMachine() machine {
	m := machine{CPUs: runtime.NumCPU(), Go: runtime.Version()}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	return m
}
