package settings

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/realtime-cluster/realtime/pkg/metric"
)

// TestFileIsFollowed: what it says counts when it was read twice; what is bad, or cannot be used, leaves the old settings, is said once, and is
// over when the file is good, or can be used.
func TestFileIsFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rules := func(n int) string {
		return "history: [{name: a, topics: [x], size: " + string(rune('0'+n)) + "}]"
	}
	write(rules(1))
	var used []int
	var away error
	core, logged := observer.New(zap.ErrorLevel)
	f, s, err := Open(path, func(s Settings) error {
		if away != nil {
			return away
		}
		used = append(used, s.History[0].Size)
		return nil
	}, zap.New(core), metric.For(nil, "test"))
	if err != nil || s.History[0].Size != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	step := func(what string, uses, lines int, healthy bool) {
		t.Helper()
		for range 3 {
			f.poll()
		}
		if len(used) != uses || logged.Len() != lines || (f.Health() == nil) != healthy {
			t.Errorf("%s: used %v, %d lines, health %v", what, used, logged.Len(), f.Health())
		}
	}
	step("unchanged", 0, 0, true)
	write(rules(2))
	f.poll()
	if len(used) != 0 {
		t.Error("used when it was read once")
	}
	step("changed", 1, 0, true)
	write(rules(0))
	step("bad", 1, 1, false)
	write(rules(2))
	step("as before", 1, 1, true)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	step("gone", 1, 2, false)
	away = errors.New("NATS is away")
	write(rules(3))
	step("not to be used", 1, 3, false)
	away = nil
	step("to be used", 2, 3, true)
	step("used", 2, 3, true)
	if used[1] != 3 {
		t.Errorf("used %v", used)
	}
}
