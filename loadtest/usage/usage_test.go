//go:build linux

package usage

import (
	"os"
	"testing"
	"time"
)

func TestCPUTimeFollowsTheClock(t *testing.T) {
	pid := os.Getpid()
	before, err := CPU(pid)
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(50 * time.Millisecond); time.Now().Before(end); {
	}
	after, err := CPU(pid)
	if d := after - before; err != nil || d < 10*time.Millisecond || d > time.Second {
		t.Errorf("50 ms of work count as %v, %v", d, err)
	}
	if rss, err := Resident(pid); err != nil || rss < 1<<20 {
		t.Errorf("resident %d, %v", rss, err)
	}
}
