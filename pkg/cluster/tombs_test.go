package cluster

import (
	"slices"
	"testing"
)

// Many deaths: what is forgotten is what would be soonest, and a beat carries a bounded number.
func TestTombsAreBounded(t *testing.T) {
	tombs, now := tombs{}, start
	for id := range uint64(maxTombs + 10) {
		now = now.Add(1)
		tombs.bury(Ref{ID: id + 1}, now)
	}
	if len(tombs) != maxTombs || tombs[10] != nil || tombs[11] == nil {
		t.Errorf("%d tombs; the first to stay is there: %v, the last to go: %v",
			len(tombs), tombs[11] != nil, tombs[10] != nil)
	}
	for id := range uint64(maxBeatRefs + 5) {
		now = now.Add(1)
		if dead, fresh := tombs.haunted(Ref{ID: id + 100}, now); !dead || !fresh {
			t.Fatalf("node %d: dead %v, fresh %v", id+100, dead, fresh)
		}
	}
	told := tombs.told(now)
	if len(told) != maxBeatRefs || slices.Contains(told, Ref{ID: 100}) || told[0].ID != maxBeatRefs+104 {
		t.Errorf("%d told, from %v to %v", len(told), told[0], told[len(told)-1])
	}
}

func TestTombKeepsTheHighestIncarnation(t *testing.T) {
	tombs := tombs{}
	tombs.bury(Ref{1, 4}, start)
	tombs.bury(Ref{1, 2}, start)
	for inc, want := range map[uint32]bool{2: true, 4: true, 5: false} {
		if dead, _ := tombs.haunted(Ref{1, inc}, start); dead != want {
			t.Errorf("incarnation %d: dead %v, want %v", inc, dead, want)
		}
	}
}
