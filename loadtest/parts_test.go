package loadtest

import (
	"testing"
	"time"
)

func TestPayloadIsReadBackByteForByte(t *testing.T) {
	m := mark{3, 70_000, 123 * time.Second}
	p := m.payload(128)
	if len(p) != 128 {
		t.Errorf("%d bytes", len(p))
	}
	if got, ok := readMark(p, 128); !ok || got != m {
		t.Errorf("%+v, %v", got, ok)
	}
	for i := range p {
		b := []byte(p)
		b[i] ^= 1
		if got, ok := readMark(string(b), 128); ok && got == m {
			t.Errorf("byte %d changed unnoticed: %s", i, b)
		}
	}
	if _, ok := readMark(p+" ", 128); ok {
		t.Error("a longer payload passed")
	}
}
