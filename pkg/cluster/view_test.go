package cluster

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

func activeView(ids ...uint64) *View {
	var nodes []Node
	for _, id := range ids {
		nodes = append(nodes, Node{Ref: Ref{ID: id}, Role: RoleRouter, State: Active, Lanes: 2})
	}
	return newView(RoleRouter, nodes)
}

// ownerIDs gives the owner's ID of each of n keys.
func ownerIDs(v *View, n int) []uint64 {
	owners := make([]uint64, n)
	for i := range owners {
		owners[i] = v.Active[v.Owner(Hash("topic."+strconv.Itoa(i)))].ID
	}
	return owners
}

func TestOwnerBalance(t *testing.T) {
	const keys = 100_000
	sets := map[string][]uint64{
		"consecutive IDs":  {1, 2, 3, 4, 5, 6, 7},
		"high bits differ": {1 << 56, 2 << 56, 3 << 56, 4 << 56},
		"drawn IDs":        {NewID(), NewID(), NewID(), NewID(), NewID()},
	}
	for name, ids := range sets {
		t.Run(name, func(t *testing.T) {
			count := map[uint64]int{}
			for _, id := range ownerIDs(activeView(ids...), keys) {
				count[id]++
			}
			share := float64(keys) / float64(len(ids))
			for _, id := range ids {
				if got := float64(count[id]); got < 0.9*share || got > 1.1*share {
					t.Errorf("node %x owns %.0f keys, want %.0f ± 10 %%", id, got, share)
				}
			}
		})
	}
}

func TestOwnerMovesOnlyWhatItMust(t *testing.T) {
	const keys, n = 100_000, 8
	var ids []uint64
	for range n {
		ids = append(ids, NewID())
	}
	with, without := ownerIDs(activeView(ids...), keys), ownerIDs(activeView(ids[:n-1]...), keys)
	last, moved := ids[n-1], 0
	for i := range with {
		if with[i] == without[i] {
			continue
		}
		moved++
		if with[i] != last {
			t.Fatalf("key %d moved from %x to %x, neither of which came or went", i, without[i], with[i])
		}
	}
	if share := keys / n; moved < share*9/10 || moved > share*11/10 {
		t.Errorf("%d keys moved, want %d ± 10 %%", moved, share)
	}
}

// Keys of one owner spread over all of its lanes.
func TestLaneIsIndependentOfOwner(t *testing.T) {
	const keys, lanes = 100_000, 4
	v := activeView(1, 2, 3)
	count := map[[2]int]int{}
	for i := range keys {
		h := Hash("topic." + strconv.Itoa(i))
		count[[2]int{v.Owner(h), Lane(h, lanes)}]++
	}
	want := float64(keys) / 3 / lanes
	for owner := range 3 {
		for lane := range lanes {
			if got := float64(count[[2]int{owner, lane}]); got < 0.9*want || got > 1.1*want {
				t.Errorf("owner %d lane %d: %.0f keys, want %.0f ± 10 %%", owner, lane, got, want)
			}
		}
	}
	if Lane(7, 0) != 0 || Lane(7, 1) != 0 {
		t.Error("a node without lanes to choose from: want lane 0")
	}
}

// What nodes of different versions of the program must agree on for ever.
func TestGolden(t *testing.T) {
	v := newView(RoleRouter, []Node{
		{Ref: Ref{0x1111, 0}, Lanes: 4, State: Active},
		{Ref: Ref{0x2222, 7}, Lanes: 2, State: Active},
		{Ref: Ref{0xffff_0000_0000_0000, 0}, Lanes: 1, State: Active},
	})
	h := Hash("prices.eu.1")
	for name, c := range map[string]struct{ got, want uint64 }{
		"xxh3 of nothing": {Hash(""), 0x2d06800538d394c2}, // as its specification says
		"hash":            {h, 0xcde5c19c0d54f1ae},
		"version":         {v.Version, 0xb7ebe158ca801eaa},
		"owner":           {uint64(v.Owner(h)), 1},
		"another owner":   {uint64(v.Owner(Hash("prices.eu.2"))), 2},
		"lane":            {uint64(Lane(h, 16)), 0},
		"another lane":    {uint64(Lane(Hash("prices.eu.2"), 16)), 6},
	} {
		if c.got != c.want {
			t.Errorf("%s: %#x, want %#x", name, c.got, c.want)
		}
	}
	if HashBytes([]byte("prices.eu.1")) != h {
		t.Error("Hash and HashBytes differ")
	}
}

func TestVersion(t *testing.T) {
	nodes := []Node{
		{Ref: Ref{1, 0}, Lanes: 2, State: Active}, {Ref: Ref{2, 3}, Lanes: 2, State: Active},
		{Ref: Ref{3, 0}, Lanes: 2, State: Active}, {Ref: Ref{4, 0}, Lanes: 2, State: Active},
	}
	base := newView(RoleRouter, nodes).Version
	for range 20 {
		rand.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
		if newView(RoleRouter, nodes).Version != base {
			t.Fatal("version depends on the order nodes were found in")
		}
	}
	differ := map[string]func(*Node) bool{ // whether the version must
		"incarnation": func(n *Node) bool { n.Inc++; return true },
		"lanes":       func(n *Node) bool { n.Lanes++; return true },
		"leaving":     func(n *Node) bool { n.State = Leaving; return true },
		"name":        func(n *Node) bool { n.Name = "x"; return false },
		"program":     func(n *Node) bool { n.Version = "2"; return false },
	}
	for name, change := range differ {
		other := slices.Clone(nodes)
		want := change(&other[1])
		if got := newView(RoleRouter, other).Version != base; got != want {
			t.Errorf("%s: version differs: %v, want %v", name, got, want)
		}
	}
	// One that came and leaves is not the same as one that never came, nor is the last to leave.
	if newView(RoleRouter, append(slices.Clone(nodes), Node{Ref: Ref{5, 0}, Lanes: 2, State: Leaving})).Version == base {
		t.Error("version does not depend on who leaves")
	}
	if newView(RoleRouter, []Node{{Ref: Ref{1, 0}, Lanes: 2, State: Leaving}}).Version == 0 {
		t.Error("version 0 with a node that leaves")
	}
	if v := newView(RoleRouter, nil); v.Version != 0 || v.Owner(1) != -1 {
		t.Errorf("empty view: version %d, owner %d", v.Version, v.Owner(1))
	}
}

func TestFind(t *testing.T) {
	v := newView(RoleRouter, []Node{
		{Ref: Ref{5, 0}, State: Active}, {Ref: Ref{1, 0}, State: Active},
		{Ref: Ref{3, 0}, State: Leaving}, {Ref: Ref{4, 0}, State: Joining},
	})
	for id, want := range map[uint64]bool{1: true, 5: true, 3: true, 4: false, 9: false} {
		if n, ok := v.Find(id); ok != want || ok && n.ID != id {
			t.Errorf("Find(%d) = %v, %v", id, n, ok)
		}
	}
}

func TestOwnerAllocatesNothing(t *testing.T) {
	v := activeView(1, 2, 3, 4, 5)
	if n := testing.AllocsPerRun(100, func() { v.Owner(Hash("some.topic")); v.Find(3) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkOwner(b *testing.B) {
	for _, n := range []int{3, 16, 64} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			var ids []uint64
			for range n {
				ids = append(ids, NewID())
			}
			v, h := activeView(ids...), uint64(0)
			for b.Loop() {
				h++
				v.Owner(h)
			}
		})
	}
}
