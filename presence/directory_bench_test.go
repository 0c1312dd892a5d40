//go:build linux

package presence_test

import (
	"context"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
	"github.com/realtime-cluster/realtime/pkg/backbone"
	"github.com/realtime-cluster/realtime/pkg/link"
	"github.com/realtime-cluster/realtime/presence"
)

// The benchmarks fill the directory with 100,000 users, told by simulated gateways over a
// real NATS server. One iteration is enough.
const (
	benchUsers    = 100_000
	benchGateways = 8
	benchKills    = 5
)

// crowd is the simulated gateways of a benchmark.
type crowd struct {
	b    *testing.B
	sims []*simGateway
	stop func()
}

func startCrowd(b *testing.B, url string, options ...nats.Option) *crowd {
	b.Helper()
	c := &crowd{b: b}
	var stops []func()
	for i := range benchGateways {
		g, stop := startSim(b, benchUsers/benchGateways*i, benchUsers/benchGateways, url, options...)
		c.sims, stops = append(c.sims, g), append(stops, stop)
	}
	c.stop = func() {
		for _, stop := range stops {
			stop()
		}
	}
	return c
}

// await waits until it is so for every gateway.
func (c *crowd) await(is func(g *simGateway) bool) {
	c.b.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		all := true
		for _, g := range c.sims {
			g.do(func() { all = all && is(g) })
		}
		if all {
			return
		}
		if time.Now().After(end) {
			for _, g := range c.sims {
				g.do(func() {
					c.b.Logf("%s: view of %d, %d moved, %d asked, %d right, %d wrong", g.self.Name, len(g.view.Active), g.moved, g.asked, g.right, g.wrong)
				})
			}
			c.b.Fatal("timeout")
		}
	}
}

// owners waits until every gateway knows n presence nodes and they answer rightly.
func (c *crowd) owners(n int) {
	c.await(func(g *simGateway) bool { return len(g.view.Active) == n && g.complete() })
}

// tell tells the owners of all users, and returns how long that took.
func (c *crowd) tell(login bool) time.Duration {
	begin := time.Now()
	for _, g := range c.sims {
		g.do(func() { g.tellAll(login) })
	}
	c.await((*simGateway).complete)
	return c.last().Sub(begin)
}

// last is when the last right answer came.
func (c *crowd) last() (at time.Time) {
	for _, g := range c.sims {
		g.do(func() {
			if g.last.After(at) {
				at = g.last
			}
		})
	}
	return at
}

// BenchmarkDirectoryHeap: the live heap of a presence node, in bytes for each user.
func BenchmarkDirectoryHeap(b *testing.B) {
	for b.Loop() {
		server, err := backbone.StartEmbedded(backbone.EmbeddedConfig{DataDir: b.TempDir(), Name: "bench", Log: zap.NewNop()})
		if err != nil {
			b.Fatal(err)
		}
		registry := prometheus.NewRegistry()
		nc, err := backbone.Connect(b.Context(), backbone.ConnConfig{
			Server: server, Name: "bench", Metrics: backbone.NewMetrics(registry), Log: zap.NewNop(),
		})
		if err != nil {
			b.Fatal(err)
		}
		p, err := presence.New(presence.Config{
			Name: "bench", Lanes: 2, Conns: []*nats.Conn{nc}, Log: zap.NewNop(), Registerer: registry,
			RoomGrace: time.Minute, MaxRooms: 100, MaxRoomMembers: 100_000, RoomReplicas: 1,
		})
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx, ctx) }()
		<-p.Started()
		c := startCrowd(b, "", nats.InProcessServer(server))
		c.owners(1)
		before := liveHeap()
		c.tell(false)
		time.Sleep(time.Second) // for the acknowledgements
		for _, g := range c.sims {
			g.do(func() { g.pool = link.Pool{} })
		}
		b.ReportMetric(float64(liveHeap()-before)/benchUsers, "B/user")
		c.stop()
		cancel()
		if err := <-ended; err != nil {
			b.Fatal(err)
		}
		nc.Close()
		server.Shutdown()
	}
	b.ReportMetric(0, "ns/op")
}

func liveHeap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkDirectoryTold: a presence process is told of all users by their gateways, as a new
// owner is.
func BenchmarkDirectoryTold(b *testing.B) { told(b, false) }

// BenchmarkDirectoryLogins: all users connect at once; for each the owner looks for durable rooms
// and queued messages.
func BenchmarkDirectoryLogins(b *testing.B) { told(b, true) }

func told(b *testing.B, login bool) {
	for b.Loop() {
		c := cluster.StartTest(b, cluster.Spec{NATS: 1, Redis: true, Presences: 1, Env: []string{"LANES=2", "LOG_LEVEL=warn"}})
		node := c.Presences[0].PID()
		sims := startCrowd(b, c.NATSURL())
		sims.owners(1)
		memory, cpu := resident(b, node), cpuTime(b, node)
		took := sims.tell(login)
		b.ReportMetric(took.Seconds(), "s")
		b.ReportMetric(float64((cpuTime(b, node)-cpu).Microseconds())/benchUsers, "µs-CPU/user")
		time.Sleep(3 * time.Second)
		b.ReportMetric(float64(resident(b, node)-memory)/benchUsers, "B-resident/user")
		sims.stop()
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkDirectoryRebuild: of two presence nodes, one is killed; how long until all of its users
// are known to the other.
func BenchmarkDirectoryRebuild(b *testing.B) {
	var detected, rebuilt, total []time.Duration
	moved := 0
	for b.Loop() {
		c := cluster.StartTest(b, cluster.Spec{NATS: 1, Redis: true, Presences: 2, Env: []string{"LANES=2", "LOG_LEVEL=warn"}})
		sims := startCrowd(b, c.NATSURL())
		sims.owners(2)
		sims.tell(false)
		for k := range benchKills {
			time.Sleep(time.Duration(k) * time.Second / benchKills) // anywhere between two heartbeats
			victim := c.Presences[k%2]
			begin := time.Now()
			if err := victim.Kill(); err != nil {
				b.Fatal(err)
			}
			sims.owners(1)
			at := begin
			for _, g := range sims.sims {
				g.do(func() {
					moved += g.moved
					if g.adopted.After(at) {
						at = g.adopted
					}
				})
			}
			last := sims.last()
			detected, rebuilt, total = append(detected, at.Sub(begin)), append(rebuilt, last.Sub(at)), append(total, last.Sub(begin))
			if err := victim.Restart(b.Context()); err != nil {
				b.Fatal(err)
			}
			sims.owners(2)
		}
		sims.stop()
	}
	b.ReportMetric(float64(moved)/float64(len(total)), "users-moved")
	b.ReportMetric(median(detected).Seconds(), "s-to-notice")
	b.ReportMetric(median(rebuilt).Seconds(), "s-to-rebuild")
	b.ReportMetric(slices.Max(total).Seconds(), "s-in-all-max")
	b.ReportMetric(0, "ns/op")
}

func median(v []time.Duration) time.Duration {
	slices.Sort(v)
	return v[len(v)/2]
}

// cpuTime is the CPU time that a process has used.
func cpuTime(b *testing.B, pid int) time.Duration {
	const cpuclockSched = 2 // clock_getcpuclockid(3)
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|cpuclockSched), &ts); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

// resident is the memory that a process holds, in bytes.
func resident(b *testing.B, pid int) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		b.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
