package cluster

import (
	"fmt"
	"strings"

	"github.com/realtime-cluster/realtime/loadtest/proxy"
)

// Links are the proxies through which one process reaches its servers.
type Links struct {
	NATS  []*proxy.Proxy // in the order of Cluster.NATS, or of Cluster.Cores where there are some
	Redis *proxy.Proxy   // nil without Redis
}

// All lists the links.
func (l *Links) All() []*proxy.Proxy {
	all := append([]*proxy.Proxy(nil), l.NATS...)
	if l.Redis != nil {
		all = append(all, l.Redis)
	}
	return all
}

// urls are NATS_URL and REDIS_URL.
func (l *Links) urls() (nats, redis string) {
	list := make([]string, len(l.NATS))
	for i, p := range l.NATS {
		list[i] = "nats://" + p.Addr()
	}
	if l.Redis != nil {
		redis = "redis://" + l.Redis.Addr()
	}
	return strings.Join(list, ","), redis
}

// links opens the links of a process, which live as long as the cluster.
func (c *Cluster) links() (*Links, error) {
	l := &Links{}
	for _, s := range c.reached() {
		p, err := c.link(s)
		if err != nil {
			return nil, err
		}
		l.NATS = append(l.NATS, p)
	}
	if c.Redis == nil {
		return l, nil
	}
	var err error
	l.Redis, err = c.link(c.Redis)
	return l, err
}

func (c *Cluster) link(to *Process) (*proxy.Proxy, error) {
	p, err := proxy.Listen(fmt.Sprintf("127.0.0.1:%d", to.Port))
	if err != nil {
		return nil, err
	}
	c.proxies.Go(func() { _ = p.Run(c.ctx) }) // its end shows in what goes through it
	return p, nil
}
