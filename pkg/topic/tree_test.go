package topic

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

var patterns = []string{
	"chat.rooms.general.42", "chat.*.general.>", "chat.>", "*.rooms.*.42", ">", "alerts.*", "$sys.>",
}

func TestTree(t *testing.T) {
	var tree Tree[int]
	for i, p := range patterns {
		tree.Set(p, i)
	}
	if tree.Len() != len(patterns) {
		t.Fatalf("Len() = %d", tree.Len())
	}
	for name, want := range map[string][]string{
		"chat.rooms.general.42": {"*.rooms.*.42", ">", "chat.*.general.>", "chat.>", "chat.rooms.general.42"},
		"chat":                  {">"},
		"alerts.fire":           {">", "alerts.*"},
		"$sys.nodes":            {"$sys.>"},
		"$sys":                  nil,
		"$other.x":              nil,
	} {
		var got []string
		tree.Match(name, func(p string, v int) {
			if patterns[v] != p {
				t.Errorf("Match(%q) visits %q with the value of %q", name, p, patterns[v])
			}
			got = append(got, p)
		})
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("Match(%q) visits %q, want %q", name, got, want)
		}
	}
	tree.Set(">", 42)
	if v, ok := tree.Get(">"); !ok || v != 42 || tree.Len() != len(patterns) {
		t.Errorf("after a second Set: %v, %v, Len() = %d", v, ok, tree.Len())
	}
	for _, p := range []string{"chat", "chat.*", "*", "chat.rooms.general.42.x", "$sys"} {
		if _, ok := tree.Get(p); ok || tree.Delete(p) {
			t.Errorf("%q is there", p)
		}
	}
	for range tree.All() {
		break // the listing must end with its reader
	}
	for _, p := range patterns {
		if !tree.Delete(p) || tree.Delete(p) {
			t.Errorf("Delete(%q) did not report it there once", p)
		}
	}
	if tree.Len() != 0 || !tree.root.empty() || tree.root.kids != nil {
		t.Errorf("deleting all left %d patterns, root %+v", tree.Len(), tree.root)
	}
}

// model is the tree's rules over a plain map.
type model map[string]int

func (m model) check(t *testing.T, tree *Tree[int], name string) {
	t.Helper()
	want := make(model)
	for p, v := range m {
		if Match(p, name) {
			want[p] = v
		}
	}
	got := make(model)
	tree.Match(name, func(p string, v int) {
		if _, twice := got[p]; twice {
			t.Fatalf("Match(%q) visits %q twice", name, p)
		}
		got[p] = v
	})
	if !maps.Equal(got, want) {
		t.Fatalf("Match(%q) visits %v, want %v", name, got, want)
	}
}

// FuzzTree reads its input as operations, one a line: a letter and a pattern or topic.
func FuzzTree(f *testing.F) {
	f.Add("+a.b\n+a.*\n+a.>\n?a.b\n-a.*\n?a.b\n=a.b")
	f.Add("+>\n+*\n+$s.>\n?$s.x\n?a\n-$s.>\n->\n-*")
	f.Add("+a.>.b\n+..\n+\n?a.>.b\n?..\n-..\n-\n+>.\n?>.")
	f.Fuzz(func(t *testing.T, script string) {
		tree, m := new(Tree[int]), make(model)
		for i, line := range strings.Split(script, "\n") {
			if line == "" {
				continue
			}
			op, arg := line[0], line[1:]
			switch v, there := m[arg]; op {
			case '+':
				tree.Set(arg, i)
				m[arg] = i
			case '-':
				if got := tree.Delete(arg); got != there {
					t.Fatalf("Delete(%q) = %v", arg, got)
				}
				delete(m, arg)
			case '=':
				if got, ok := tree.Get(arg); ok != there || got != v {
					t.Fatalf("Get(%q) = %v, %v, want %v, %v", arg, got, ok, v, there)
				}
			default:
				m.check(t, tree, arg)
			}
			if tree.Len() != len(m) {
				t.Fatalf("Len() = %d, want %d", tree.Len(), len(m))
			}
		}
		if got := maps.Collect(tree.All()); !maps.Equal(model(got), m) {
			t.Fatalf("All() = %v, want %v", got, m)
		}
		for p := range m {
			m.check(t, tree, p) // as a name: every literal token of the tree gets its turn
			tree.Delete(p)
			delete(m, p)
		}
		if !tree.root.empty() {
			t.Fatalf("deleting all left %+v", tree.root)
		}
	})
}

func BenchmarkTreeMatch(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var tree Tree[int]
			for i := range n {
				tree.Set(fmt.Sprintf("chat.rooms.%d.*", i), i)
			}
			tree.Set("chat.>", n)
			seen := 0
			visit := func(string, int) { seen++ }
			b.ReportAllocs()
			for b.Loop() {
				tree.Match("chat.rooms.7.typing", visit)
			}
			if seen == 0 {
				b.Fatal("no match")
			}
		})
	}
}

func BenchmarkTreeSetDelete(b *testing.B) {
	var tree Tree[int]
	tree.Set("chat.rooms.*", 0)
	b.ReportAllocs()
	for b.Loop() {
		tree.Set("chat.rooms.7.*", 1)
		tree.Delete("chat.rooms.7.*")
	}
}
