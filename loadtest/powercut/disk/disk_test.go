package disk

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// shell is a Disk by paths; every call must succeed.
type shell struct {
	*testing.T
	d *Disk
}

func open(t *testing.T) *shell {
	d := New(t.TempDir())
	t.Cleanup(d.Close)
	return &shell{t, d}
}

func (s *shell) at(path string) (dir *Node, name string) {
	s.Helper()
	dir = s.d.Root()
	parts := strings.Split(path, "/")
	for _, p := range parts[:len(parts)-1] {
		var err error
		if dir, err = s.d.Lookup(dir, p); err != nil {
			s.Fatal(path, err)
		}
	}
	return dir, parts[len(parts)-1]
}

func (s *shell) node(path string) *Node {
	s.Helper()
	if path == "" {
		return s.d.Root()
	}
	dir, name := s.at(path)
	n, err := s.d.Lookup(dir, name)
	s.ok(err)
	return n
}

func (s *shell) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *shell) mkdir(path string) {
	s.Helper()
	dir, name := s.at(path)
	_, err := s.d.Make(dir, name, true, 0o755)
	s.ok(err)
}

func (s *shell) create(path, text string) {
	s.Helper()
	dir, name := s.at(path)
	n, err := s.d.Make(dir, name, false, 0o644)
	s.ok(err)
	s.ok(s.d.Write(n, []byte(text), 0))
}

func (s *shell) write(path, text string, off int64) {
	s.Helper()
	s.ok(s.d.Write(s.node(path), []byte(text), off))
}

func (s *shell) rename(from, to string) {
	s.Helper()
	a, name := s.at(from)
	b, newName := s.at(to)
	s.ok(s.d.Rename(a, name, b, newName))
}

func (s *shell) remove(path string) {
	s.Helper()
	dir, name := s.at(path)
	n, err := s.d.Lookup(dir, name)
	s.ok(err)
	s.ok(s.d.Remove(dir, name, n.Dir))
}

func (s *shell) sync(path string) { s.Helper(); s.ok(s.d.Sync(s.node(path))) }

func (s *shell) cut(rng *rand.Rand) {
	s.Helper()
	_, err := s.d.Cut(rng)
	s.ok(err)
}

func (s *shell) text(n *Node) string {
	size, _, _ := s.d.Stat(n)
	b := make([]byte, size+10)
	got, err := s.d.Read(n, b, 0)
	s.ok(err)
	return string(b[:got])
}

// tree lists all files with what is in them, and directories.
func (s *shell) tree() string {
	var lines []string
	var walk func(string, *Node)
	walk = func(path string, dir *Node) {
		names, nodes := s.d.List(dir)
		for i, n := range nodes {
			if n.Dir {
				lines = append(lines, path+names[i]+"/")
				walk(path+names[i]+"/", n)
			} else {
				lines = append(lines, path+names[i]+"="+s.text(n))
			}
		}
	}
	walk("", s.d.Root())
	return strings.Join(lines, " ")
}

func TestCut(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*shell)
		want string
	}{
		{"nothing is safe by itself", func(s *shell) { s.mkdir("d"); s.create("d/a", "x") }, ""},
		{"a file and its way", func(s *shell) { s.mkdir("d"); s.create("d/a", "x"); s.create("d/b", "y"); s.sync("d/a") }, "d/ d/a=x"},
		{"a directory has names only", func(s *shell) { s.create("a", "x"); s.sync("") }, "a="},
		{"the directory above is not enough", func(s *shell) { s.mkdir("d"); s.create("d/a", "x"); s.sync("") }, "d/"},
		{"the newer bytes go", func(s *shell) { s.create("a", "xx"); s.sync("a"); s.write("a", "yyy", 1) }, "a=xx"},
		{"a rename goes back", func(s *shell) { s.create("a", "x"); s.sync("a"); s.rename("a", "b") }, "a=x"},
		{"a rename by its directory", func(s *shell) { s.create("a", "x"); s.sync("a"); s.rename("a", "b"); s.sync("") }, "b=x"},
		{"a rename by its file", func(s *shell) { s.create("a", "x"); s.sync("a"); s.rename("a", "b"); s.sync("b") }, "b=x"},
		{"a replaced file comes back", func(s *shell) {
			s.create("a", "old")
			s.sync("a")
			s.create("a.tmp", "new")
			s.sync("a.tmp")
			s.rename("a.tmp", "a")
		}, "a=old a.tmp=new"},
		{"a replaced file", func(s *shell) {
			s.create("a", "old")
			s.sync("a")
			s.create("a.tmp", "new")
			s.sync("a.tmp")
			s.rename("a.tmp", "a")
			s.sync("")
		}, "a=new"},
		{"a rename across directories is whole", func(s *shell) {
			s.mkdir("d")
			s.mkdir("e")
			s.create("d/a", "x")
			s.sync("d/a")
			s.rename("d/a", "e/a")
			s.sync("e")
		}, "d/ e/ e/a=x"},
		{"a removed file comes back", func(s *shell) { s.create("a", "x"); s.sync("a"); s.remove("a") }, "a=x"},
		{"a removed file", func(s *shell) { s.create("a", "x"); s.sync("a"); s.remove("a"); s.sync("") }, ""},
		{"a name in its second life", func(s *shell) {
			s.create("a", "x")
			s.remove("a")
			s.create("a", "y")
			s.sync("a")
			s.sync("")
		}, "a=y"},
		{"cut off and not safe", func(s *shell) { s.create("a", "xyz"); s.sync("a"); s.ok(s.d.Truncate(s.node("a"), 1)) }, "a=xyz"},
		{"cut off, grown and safe", func(s *shell) {
			s.create("a", "xyz")
			s.sync("a")
			s.ok(s.d.Truncate(s.node("a"), 1))
			s.write("a", "w", 2)
			s.sync("a")
		}, "a=x\x00w"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t)
			tt.do(s)
			s.cut(nil)
			if got := s.tree(); got != tt.want {
				t.Errorf("left %q, want %q", got, tt.want)
			}
			s.create("later", "z") // it goes on
			s.sync("later")
			s.cut(nil)
			if got, want := s.tree(), strings.TrimSpace(tt.want+" later=z"); got != want {
				t.Errorf("left %q, want %q", got, want)
			}
		})
	}
}

// TestBytes compares files with plain ones through writes, cuts off and power losses.
func TestBytes(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 1))
		s := open(t)
		s.create("a", "")
		s.sync("a")
		var now, safe []byte
		for range 300 {
			switch n := s.node("a"); rng.IntN(6) {
			case 0, 1, 2:
				off, text := rng.Int64N(30_000), bytes.Repeat([]byte{byte(1 + rng.IntN(255))}, rng.IntN(9000))
				s.ok(s.d.Write(n, text, off))
				if end := int(off) + len(text); len(text) > 0 && end > len(now) {
					now = append(now, make([]byte, end-len(now))...)
				}
				copy(now[min(int(off), len(now)):], text)
			case 3:
				size := rng.IntN(30_000)
				s.ok(s.d.Truncate(n, int64(size)))
				now = append(now[:min(size, len(now)):min(size, len(now))], make([]byte, max(0, size-len(now)))...)
			case 4:
				s.ok(s.d.Sync(n))
				safe = slices.Clone(now)
			case 5:
				s.cut(nil)
				now = slices.Clone(safe)
			}
			if got := s.text(s.node("a")); got != string(now) {
				t.Fatalf("seed %d: %d bytes, want %d", seed, len(got), len(now))
			}
		}
	}
}

// TestTorn: what is safe stays, and of the rest sometimes something.
func TestTorn(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(200) {
		s := open(t)
		s.create("a", strings.Repeat("s", 5000))
		s.sync("a")
		s.write("a", strings.Repeat("n", 10_000), 5000)
		s.create("b", "x")
		s.create("c", "x")
		s.cut(rand.New(rand.NewPCG(seed, 2)))
		text := s.text(s.node("a"))
		if !strings.HasPrefix(text, strings.Repeat("s", 5000)) {
			t.Fatalf("seed %d: what was safe is gone", seed)
		}
		names, _ := s.d.List(s.d.Root())
		if want := []string{"a", "b", "c"}[:len(names)]; !slices.Equal(names, want) {
			t.Fatalf("seed %d: names %q are not the first ones", seed, names)
		}
		seen[fmt.Sprint(len(names), " names")] = true
		switch strings.Count(text, "n") {
		case 0:
			seen["nothing"] = true
		case 10_000:
			seen["all"] = true
		default:
			seen["some"] = true
		}
	}
	if want := []string{"1 names", "2 names", "3 names", "all", "nothing", "some"}; !slices.Equal(slices.Sorted(maps.Keys(seen)), want) {
		t.Errorf("seen %v", seen)
	}
}
