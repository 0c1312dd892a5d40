package wire

import (
	"fmt"
	"math"
	"testing"
)

func TestSubjects(t *testing.T) {
	const id = 0x00fedcba98765432
	tests := []struct{ got, want string }{
		{Up(id, 0), "rt.up.00fedcba98765432.0"},
		{Down(id, 63), "rt.down.00fedcba98765432.63"},
		{Peer(id, 1), "rt.peer.00fedcba98765432.1"},
		{Refuse(id, 2), "rt.refuse.00fedcba98765432.2"},
		{Beat("router"), "rt.beat.router"},
		{BeatAll, "rt.beat.*"},
		{NodeName(math.MaxUint64), "ffffffffffffffff"},
		{NodeName(0), "0000000000000000"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
	for _, n := range []uint64{0, 1, id, math.MaxUint64} {
		if got, want := NodeName(n), fmt.Sprintf("%016x", n); got != want {
			t.Errorf("node %q, want %q", got, want)
		}
	}
}

func TestRefuse(t *testing.T) {
	for _, n := range []uint64{0, 1, 64, math.MaxUint64} {
		subject := string(AppendRefuse([]byte("x")[:0], Refuse(1, 2), n, n/2+1))
		want := fmt.Sprintf("rt.refuse.0000000000000001.2.%d.%d", n, n/2+1)
		link, seq, ok := ParseRefuse(subject)
		if subject != want || !ok || link != n || seq != n/2+1 {
			t.Errorf("%q is read as %d, %d, %v; want %q", subject, link, seq, ok, want)
		}
	}
	for _, s := range []string{"", ".", "..", "1", "1.2", "a.b.c", "rt.refuse.1.-2", "rt.1.", "rt..1", "rt.1.18446744073709551616"} {
		if link, seq, ok := ParseRefuse(s); ok {
			t.Errorf("%q is read as %d, %d", s, link, seq)
		}
	}
}
