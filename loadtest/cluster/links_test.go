package cluster_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
)

func TestEveryProcessHasLinksOfItsOwn(t *testing.T) {
	c := standIns(t, cluster.Spec{NATS: 3, Redis: true, Gateways: 1, Routers: 1, Links: true, Settings: "history: []\n"})
	gateway, router := c.Gateways[0], c.Routers[0]
	if len(gateway.Links.NATS) != 3 || len(gateway.Links.All()) != 4 || c.NATS[0].Links != nil {
		t.Fatalf("links %+v", gateway.Links)
	}
	own := "redis redis://" + gateway.Links.Redis.Addr() + "\n"
	if !strings.Contains(gateway.LogTail(), own) || strings.Contains(router.LogTail(), own) {
		t.Errorf("%s was told\n%s", gateway.Name, gateway.LogTail())
	}
	if err := hello(gateway.Links.NATS[1].Addr(), 5*time.Second); err != nil {
		t.Errorf("through the link: %v", err)
	}
	gateway.Links.NATS[1].Pause()
	if err := hello(gateway.Links.NATS[1].Addr(), 50*time.Millisecond); err == nil {
		t.Error("a paused link lets pass")
	}
	if err := hello(router.Links.NATS[1].Addr(), 5*time.Second); err != nil {
		t.Errorf("through the link of another: %v", err)
	}
}

// hello waits for what a NATS server says first, which must not name the others: clients would go to them directly.
func hello(addr string, patience time.Duration) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && (!strings.HasPrefix(line, "INFO ") || strings.Contains(line, "connect_urls")) {
		err = fmt.Errorf("it says %s", line)
	}
	return err
}

func TestTheSettingsFileIsWhereItIsSaid(t *testing.T) {
	c := standIns(t, cluster.Spec{Routers: 1, Settings: "history: []\n"})
	_, file, ok := strings.Cut(c.Routers[0].LogTail(), "settings ")
	file, _, _ = strings.Cut(file, "\n")
	text, err := os.ReadFile(file)
	if !ok || err != nil || string(text) != "history: []\n" {
		t.Errorf("%q holds %q, %v", file, text, err)
	}
}
