package gateway_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
)

// A stop sees through what clients have sent, tells each of them to come back, and closes
// them 1012; who comes meanwhile is turned away, and other gateways go on.
func TestGracefulStop(t *testing.T) {
	h := start(t, 2, 2, nil)
	stays := h.talk(h.gateway[1], "alice")
	stays.subscribe("a")
	var clients []*talk
	for range 10 {
		k := h.talk(h.gateway[0], "bob")
		k.subscribe("a", "b.*")
		clients = append(clients, k)
	}
	for _, k := range clients { // a Pong tells that what came before it has been read
		k.send(broadcast("", "a", "1"), broadcast("last", "a", "2"), `{"type":"Ping","id":"read"}`)
		for m := k.next(); m.Get("id").Str != "read"; m = k.next() {
			k.passed = append(k.passed, m)
		}
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		h.gateway[0].stop()
	}()
	after := make(map[int64]bool)
	for i, k := range clients {
		messages, code := k.end()
		_ = k.conn.Close()
		acked := false
		messages = append(k.passed, messages...)
		for j, m := range messages {
			acked = acked || m.Get("type").Str == "Ack" && m.Get("id").Str == "last"
			if last := j == len(messages)-1; last != (m.Get("data.status").Str == "draining") {
				t.Errorf("client %d: message %d of %d is %s", i, j, len(messages), m.Raw)
			}
		}
		if !acked || code != 1012 {
			t.Errorf("client %d: acked %v, closed %d", i, acked, code)
		}
		ms := messages[len(messages)-1].Get("data.details.reconnect_after_ms")
		if after[ms.Int()] = true; !ms.Exists() || ms.Int() < 0 || ms.Int() > 60000 {
			t.Errorf("client %d: reconnect_after_ms %s", i, ms.Raw)
		}
	}
	if len(after) < 2 {
		t.Errorf("all come back at the same time: %v", after)
	}
	<-stopped
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := client.Dial(ctx, "ws://"+h.gateway[0].addr+"/ws", h.token("bob"), client.Options{}); err == nil {
		t.Error("a gateway that has stopped takes clients")
	}
	h.eventually(func() bool { return len(h.gateway[1].Views().Gateways.Active) == 1 })
	for range 20 {
		if m := stays.next(); m.Get("data.topic").Str != "a" {
			t.Errorf("got %s", m.Raw)
		}
	}
	if ack, _ := stays.ask(broadcast("1", "a", "3")); ack.Get("type").Str != "Ack" {
		t.Errorf("got %s", ack.Raw)
	}
}

// A gateway that has stopped has closed what it had opened, whatever state its clients
// were in; and one does not have to play along for it to stop.
func TestStopLeaksNoDescriptors(t *testing.T) {
	h := start(t, 0, 1, nil)
	before := 0
	for round := range 3 {
		g := h.addGateway(nil)
		h.eventually(func() bool { return g.Ready() == nil })
		talk := h.talk(g, "alice")
		talk.subscribe("a")
		var open []net.Conn
		for _, begin := range []string{"", "GET /ws", "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "GET /ws HTTP/1.1\r\n\r\n"} {
			c, err := net.Dial("tcp", g.addr)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = c.Write([]byte(begin))
			open = append(open, c)
		}
		pages := &http.Client{Transport: &http.Transport{}}
		get(t, pages, "http://"+g.addr+"/health")
		half := h.talk(g, "bob")
		_, _ = half.conn.Write([]byte{0x81, 0xfe}) // half a frame's header
		gone := h.talk(g, "carol")
		_ = gone.conn.Close()

		begin := time.Now()
		g.stop()
		if took := time.Since(begin); took > patience {
			t.Errorf("the stop took %v", took)
		}
		pages.CloseIdleConnections()
		for _, c := range append(open, talk.conn, half.conn) {
			_ = c.Close()
		}
		if round == 0 { // the first one opens what the process keeps
			before = descriptors(t)
			continue
		}
		var now int
		h.eventually(func() bool { now = descriptors(t); return now <= before })
	}
}

// descriptors counts the sockets and files that this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, entry := range list {
		if _, err := strconv.Atoi(entry.Name()); err == nil {
			n++
		}
	}
	return n
}
