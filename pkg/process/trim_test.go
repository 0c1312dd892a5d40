package process

import "testing"

var ballast []byte

// TestTrimmer: garbage of a process that has become quiet is given back, once; while one allocates, nothing is done.
func TestTrimmer(t *testing.T) {
	var m trimmer
	allocate := func() {
		for range 8 {
			ballast = make([]byte, 4<<20)
		}
	}
	allocate()
	if m.look() {
		t.Error("due while the process allocates")
	}
	if !m.look() {
		t.Error("not due when it has become quiet")
	}
	m.kept = m.heap()
	if m.look() {
		t.Error("due again, with nothing new")
	}
}
