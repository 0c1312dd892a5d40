//go:build broken

package fault

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// point is when a point is to panic next.
type point struct {
	mu    sync.Mutex
	at    time.Time
	every time.Duration // 0: once
	wait  time.Duration // 0: it panics
	over  bool
}

var points = parse(os.Getenv("REALTIME_FAULT"))

func parse(text string) map[string]*point {
	points := make(map[string]*point)
	for _, part := range strings.Split(text, ",") {
		name, when, ok := strings.Cut(part, "=")
		if !ok {
			continue
		}
		when, wait, _ := strings.Cut(when, ":")
		after, every, _ := strings.Cut(when, "/")
		p := &point{}
		d, err := time.ParseDuration(after)
		if err == nil && wait != "" {
			p.wait, err = time.ParseDuration(wait)
		}
		if err == nil && every != "" {
			p.every, err = time.ParseDuration(every)
		}
		if err != nil {
			panic(fmt.Sprintf("REALTIME_FAULT: %q: %v", part, err))
		}
		p.at = time.Now().Add(d)
		points[name] = p
	}
	return points
}

// Point panics, or waits, where REALTIME_FAULT says so.
func Point(name string) {
	p := points[name]
	switch {
	case p == nil || !p.due():
	case p.wait > 0:
		time.Sleep(p.wait)
	default:
		panic("fault: " + name)
	}
}

func (p *point) due() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.over || now.Before(p.at) {
		return false
	}
	p.at, p.over = now.Add(p.every), p.every == 0
	return true
}
