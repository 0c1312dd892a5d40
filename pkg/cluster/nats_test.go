package cluster

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/realtime-cluster/realtime/pkg/wire"
)

const (
	testInterval  = 200 * time.Millisecond
	testDeadAfter = 3 * testInterval
)

// startNATS runs a server; port -1 for any.
func startNATS(t *testing.T, port int) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(5 * time.Second) {
		t.Fatal("NATS server is not ready")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s
}

type natsMember struct {
	*running
	nc *nats.Conn
}

func startMember(t *testing.T, url string, id uint64, role Role, tune ...func(*Config)) *natsMember {
	t.Helper()
	nc, err := nats.Connect(url, nats.ReconnectWait(50*time.Millisecond), nats.ReconnectJitter(0, 0),
		nats.MaxReconnects(-1), nats.ReconnectBufSize(-1))
	if err != nil {
		t.Fatal(err)
	}
	r := &running{}
	cfg := r.config(id, role)
	cfg.BeatInterval, cfg.DeadAfter = testInterval, testDeadAfter
	for _, tune := range tune {
		tune(&cfg)
	}
	if r.Member, err = New(nc, cfg); err != nil {
		t.Fatal(err)
	}
	r.run(t)
	t.Cleanup(func() { r.stop(); nc.Close() })
	select {
	case <-r.Ready():
	case <-time.After(5 * time.Second):
		t.Fatalf("member %d is not ready", id)
	}
	r.Activate()
	return &natsMember{r, nc}
}

// eventually waits for every member to see these routers, and gives the time it took.
func eventually(t *testing.T, members []*natsMember, within time.Duration, want ...Ref) time.Duration {
	t.Helper()
	var nodes []Node
	for _, ref := range want {
		nodes = append(nodes, Node{Ref: ref, Lanes: 2})
	}
	began := time.Now()
	for _, m := range members {
		for m.Views().Routers.Version != version(nodes, nil) {
			if time.Since(began) > within {
				t.Fatalf("after %s member %d sees %s, want %s", within, m.Self().ID,
					refs(m.Views().Routers.Active), refs(nodes))
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
	return time.Since(began)
}

func TestMembersOnNATS(t *testing.T) {
	s := startNATS(t, -1)
	url := s.ClientURL()
	members := []*natsMember{startMember(t, url, 1, RoleGateway), startMember(t, url, 2, RolePresence)}
	for id := range uint64(3) {
		members = append(members, startMember(t, url, id+3, RoleRouter))
	}
	eventually(t, members, time.Second, Ref{3, 0}, Ref{4, 0}, Ref{5, 0})

	// A clean end is known long before anyone's silence could be.
	left := members[4]
	left.stop()
	if err := <-left.done; err != nil {
		t.Fatal(err)
	}
	members = members[:4]
	t.Logf("clean end seen after %s", eventually(t, members, testInterval, Ref{3, 0}, Ref{4, 0}))

	// An abrupt one: the connection is closed, nothing is said.
	killed := members[3]
	killed.nc.Close()
	members = members[:3]
	t.Logf("death seen after %s", eventually(t, members, testDeadAfter+time.Second, Ref{3, 0}))
	if err := <-killed.done; err == nil {
		t.Error("run returned no error, though its connection is closed")
	}

	// NATS itself goes for longer than DeadAfter and comes back: no news.
	members = append(members, startMember(t, url, 6, RoleRouter))
	eventually(t, members, time.Second, Ref{3, 0}, Ref{6, 0})
	died := make([]float64, len(members))
	for i, m := range members {
		died[i] = deaths(m)
	}
	port := s.Addr().(*net.TCPAddr).Port
	s.Shutdown()
	s.WaitForShutdown()
	time.Sleep(2 * testDeadAfter)
	startNATS(t, port)
	time.Sleep(3 * testDeadAfter)
	eventually(t, members, time.Second, Ref{3, 0}, Ref{6, 0})
	for i, m := range members {
		if n := deaths(m) - died[i]; n != 0 || m.Self().Inc != 0 {
			t.Errorf("member %d declared %v dead over the restart of NATS, and is %s now", m.Self().ID, n, m.Self().Ref)
		}
	}

	// And it works on: a newcomer is seen.
	members = append(members, startMember(t, url, 7, RoleRouter))
	eventually(t, members, time.Second, Ref{3, 0}, Ref{6, 0}, Ref{7, 0})
	for _, m := range members {
		m.stop()
		if err := <-m.done; err != nil {
			t.Error(err)
		}
	}
}

// With the intervals of production: what the NATS server says of a dead node makes it dead
// to all within 1.5 s, and what it says while everyone reconnects makes nobody.
func TestSuspicionOnNATS(t *testing.T) {
	s := startNATS(t, -1)
	url := s.ClientURL()
	defaults := func(c *Config) { c.BeatInterval, c.DeadAfter = 0, 0 }
	members := []*natsMember{startMember(t, url, 1, RoleGateway, defaults)}
	for id := range uint64(3) {
		members = append(members, startMember(t, url, id+2, RoleRouter, defaults))
	}
	eventually(t, members, 2*time.Second, Ref{2, 0}, Ref{3, 0}, Ref{4, 0})
	gateway, killed := members[0], members[3]
	inbox := wire.Up(4, 0)
	if _, err := killed.nc.SubscribeSync(inbox); err != nil {
		t.Fatal(err)
	}

	killed.nc.Close()
	<-killed.done
	members = members[:3]
	began := time.Now()
	if _, err := gateway.nc.Request(inbox, nil, time.Second); !errors.Is(err, nats.ErrNoResponders) {
		t.Fatalf("a batch to the dead: %v, want no responders", err)
	}
	gateway.Suspect(Ref{4, 0})
	eventually(t, members, 1500*time.Millisecond-time.Since(began), Ref{2, 0}, Ref{3, 0})
	t.Logf("death seen after %s", time.Since(began))

	port := s.Addr().(*net.TCPAddr).Port
	s.Shutdown()
	s.WaitForShutdown()
	startNATS(t, port)
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		for _, m := range members {
			for _, r := range m.Views().Routers.Active {
				m.Suspect(r.Ref)
			}
		}
	}
	for _, m := range members {
		if n := deaths(m); n != 1 || m.Self().Inc != 0 {
			t.Errorf("member %d declared %v dead, and is %s now", m.Self().ID, n, m.Self().Ref)
		}
	}
	eventually(t, members, 0, Ref{2, 0}, Ref{3, 0})
}

func deaths(m *natsMember) (n float64) {
	for _, r := range Roles {
		n += testutil.ToFloat64(m.metrics.died.WithLabelValues(string(r)))
	}
	return n
}
