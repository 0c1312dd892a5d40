//go:build linux && powercut

package mount

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCut: a process's fsync, of files and directories, and O_SYNC are what they are to the disk.
func TestCut(t *testing.T) {
	m, err := New(t.TempDir())
	ok(t, err)
	defer func() { ok(t, m.Close()) }()
	write := func(name, text string, flags int, sync bool) {
		f, err := os.OpenFile(filepath.Join(m.Dir, name), os.O_CREATE|os.O_RDWR|os.O_APPEND|flags, 0o640)
		ok(t, err)
		_, err = f.WriteString(text)
		ok(t, err)
		if sync {
			ok(t, f.Sync())
		}
		ok(t, f.Close())
	}
	want := func(name, text string) {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(m.Dir, name))
		if text == "" && errors.Is(err, fs.ErrNotExist) {
			return
		}
		ok(t, err)
		if string(b) != text {
			t.Errorf("%s holds %d bytes %.20q, want %d", name, len(b), b, len(text))
		}
	}
	long := strings.Repeat("x", 300_000)
	ok(t, os.MkdirAll(filepath.Join(m.Dir, "a", "b"), 0o750))
	write("a/b/synced", long, 0, true)
	write("a/b/synced", "more", 0, false)
	write("a/b/always", "yes", os.O_SYNC, false)
	write("a/b/never", long, 0, false)
	write("a/b/renamed", "x", 0, true)
	ok(t, os.Rename(filepath.Join(m.Dir, "a/b/renamed"), filepath.Join(m.Dir, "a/b/new")))
	dir, err := os.Open(filepath.Join(m.Dir, "a/b"))
	ok(t, err)
	ok(t, dir.Sync())
	ok(t, dir.Close())
	write("a/b/late", "x", 0, false)
	ok(t, os.Remove(filepath.Join(m.Dir, "a/b/new")))
	want("a/b/synced", long+"more")
	want("a/b/never", long)

	forgotten, err := m.Cut(nil)
	ok(t, err)
	if forgotten.Bytes == 0 || forgotten.Changes != 2 {
		t.Errorf("forgotten: %+v", forgotten)
	}
	want("a/b/synced", long)
	want("a/b/always", "yes")
	want("a/b/renamed", "")
	want("a/b/new", "x")
	want("a/b/late", "")
	if info, err := os.Stat(filepath.Join(m.Dir, "a/b/never")); err != nil || info.Size() != 0 {
		t.Errorf("never: %v, %v", info, err)
	}
	write("a/b/after", "x", 0, true)
	want("a/b/after", "x")
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
