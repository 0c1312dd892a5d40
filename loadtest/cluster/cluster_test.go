package cluster_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
	"github.com/realtime-cluster/realtime/loadtest/cluster"
	"github.com/realtime-cluster/realtime/loadtest/internal/hub"
)

// The test binary plays the realtime binary when STAND_IN is set, and a parent
// that dies without a word when PARENT is.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv("STAND_IN") != "":
		standIn()
	case os.Getenv("PARENT") != "":
		parent()
	}
	os.Exit(m.Run())
}

func standIn() {
	if os.Args[1] == "presence" {
		println("no presence today")
		os.Exit(3)
	}
	println("redis " + os.Getenv("REDIS_URL"))
	println("settings " + os.Getenv("SETTINGS_FILE"))
	h := &hub.Hub{}
	go func() { _ = http.ListenAndServe(os.Getenv("HOST")+":"+os.Getenv("PORT"), h.Handler()) }()
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	<-term
	if os.Getenv("STUBBORN") != "" {
		select {}
	}
	println("goodbye from " + os.Getenv("NODE_NAME"))
	os.Exit(7)
}

func parent() {
	c, err := cluster.Start(context.Background(), cluster.Spec{
		NATS: 1, All: 1, Binary: os.Args[0], Env: []string{"STAND_IN=1"}, LogDir: os.Getenv("PARENT")})
	if err != nil {
		println(err.Error())
		os.Exit(1)
	}
	println(c.NATS[0].PID(), c.Alls[0].PID())
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

func standIns(t *testing.T, spec cluster.Spec) *cluster.Cluster {
	t.Helper()
	spec.Binary = os.Args[0]
	spec.Env = append(spec.Env, "STAND_IN=1")
	return cluster.StartTest(t, spec)
}

func TestLifeOfAProcess(t *testing.T) {
	c := standIns(t, cluster.Spec{Gateways: 2})
	g := c.Gateways[0]
	if len(c.WS()) != 2 || g.Name != "gateway-1" || !g.Running() || g.PID() == 0 {
		t.Fatalf("cluster %+v", c)
	}
	tok, err := c.Token("alice")
	if err != nil {
		t.Fatal(err)
	}
	cl, err := client.Dial(t.Context(), g.WS(), tok, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := cl.Broadcast(t.Context(), "a", "1"); err != nil {
		t.Fatal(err)
	}
	if v, err := g.Metric(t.Context(), "hub_broadcasts_total", nil); err != nil || v != 1 {
		t.Errorf("metric %v, %v", v, err)
	}

	for range 2 { // pausing twice is no harm
		if err := g.Pause(); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := cl.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ping while paused: %v", err)
	}
	if err := g.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := cl.Ping(t.Context()); err != nil {
		t.Errorf("ping after resume: %v", err)
	}

	if err := g.Kill(); err != nil {
		t.Fatal(err)
	}
	<-g.Exited()
	<-cl.Done()
	if g.Running() || g.PID() != 0 || cl.CloseCode() != 1006 {
		t.Errorf("after kill: running %v, close code %d", g.Running(), cl.CloseCode())
	}
	if err := g.Kill(); !errors.Is(err, cluster.ErrNotRunning) {
		t.Errorf("second kill: %v", err)
	}
	if err := g.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := g.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	code, err := g.Stop(t.Context())
	if err != nil || code != 7 || !strings.Contains(g.LogTail(), "goodbye from gateway-1") {
		t.Errorf("stop: %d, %v\n%s", code, err, g.LogTail())
	}
	if !c.Gateways[1].Running() {
		t.Error("the other gateway ended too")
	}
	added, err := c.Add(t.Context(), cluster.Gateway)
	if err != nil || added.Name != "gateway-3" {
		t.Errorf("added %+v, %v", added, err)
	}
}

func TestStopOfAStubbornProcessKillsIt(t *testing.T) {
	c := standIns(t, cluster.Spec{Routers: 1, Env: []string{"STUBBORN=1"}})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := c.Routers[0].Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stop: %v", err)
	}
	if c.Routers[0].Running() {
		t.Error("it still runs")
	}
}

func TestAProcessThatDoesNotStartFailsWithItsOutput(t *testing.T) {
	_, err := cluster.Start(t.Context(), cluster.Spec{
		Gateways: 1, Presences: 1, Binary: os.Args[0], Env: []string{"STAND_IN=1"}})
	if err == nil || !strings.Contains(err.Error(), "presence-1") || !strings.Contains(err.Error(), "no presence today") {
		t.Errorf("error %v", err)
	}
}

func TestNATSCluster(t *testing.T) {
	c := cluster.StartTest(t, cluster.Spec{NATS: 3})
	if strings.Count(c.NATSURL(), "nats://127.0.0.1:") != 3 {
		t.Errorf("NATS_URL %q", c.NATSURL())
	}
	if p, err := c.StreamLeader(t.Context(), "none"); err == nil {
		t.Errorf("%s leads a stream that nobody made", p.Name)
	}
	one := c.NATS[1]
	if err := one.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := one.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, p := range c.NATS {
		conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(p.Port))
		if err != nil {
			t.Error(err)
			continue
		}
		_ = conn.Close()
	}
}

func TestProcessesDieWithTheirParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells a child that its parent died")
	}
	// The output goes to a file: a pipe would stay open as long as the children.
	out, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	dir := t.TempDir() // nobody else removes what a killed parent leaves behind
	cmd.Env = append(os.Environ(), "PARENT="+dir, "TMPDIR="+dir)
	cmd.Stderr = out
	_ = cmd.Run()
	text, _ := os.ReadFile(out.Name())
	pids := strings.Fields(string(text))
	if len(pids) != 2 {
		t.Fatalf("the parent said %q", text)
	}
	for _, p := range pids {
		pid, err := strconv.Atoi(p)
		if err != nil {
			t.Fatalf("the parent said %q", text)
		}
		waitGone(t, pid)
	}
}

func waitGone(t *testing.T, pid int) {
	t.Helper()
	for range 100 {
		if gone(pid) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("process %d outlived its parent", pid)
}

// gone reports whether pid runs no more; nobody may have waited for it yet.
func gone(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return true
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(after, "Z")
}
