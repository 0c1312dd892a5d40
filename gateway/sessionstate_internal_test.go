package gateway

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/realtime-cluster/realtime/pkg/wire"
)

var someStates = []savedState{
	nil,
	{{key: "a"}},
	{{key: "h.a", placed: true, at: wire.Position{Offset: 41, Epoch: 1 << 62}}, {key: "a.*"}, {key: wire.RoomKey("team.red"), placed: true}},
	{{key: strings.Repeat("ü", 1000)}, {key: "", placed: true, at: wire.Position{Offset: 1<<64 - 1, Epoch: 1<<64 - 1}}, {key: "\x00\xff"}},
}

func TestSessionState(t *testing.T) {
	for _, want := range someStates {
		b := want.encode()
		if got, err := decodeState(b); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v is read as %+v, %v", want, got, err)
		}
		whole := 0
		for n := range b {
			if got, err := decodeState(b[:n]); err == nil {
				whole++
				if len(got) >= len(want) {
					t.Errorf("%d of %d bytes are read as %+v", n, len(b), got)
				}
			} else if !errors.Is(err, errState) {
				t.Errorf("%d of %d bytes: %v", n, len(b), err)
			}
		}
		if whole != len(want) {
			t.Errorf("%d beginnings of %+v can be read, want %d", whole, want, len(want))
		}
	}
	for _, b := range [][]byte{nil, {}, {0}, {stateVersion + 1}, {stateVersion, 0}, {stateVersion, 0xff, 0xff, 0}} {
		if got, err := decodeState(b); !errors.Is(err, errState) {
			t.Errorf("%x is read as %+v, %v", b, got, err)
		}
	}
}

// Whatever Redis gives back is read or refused.
func FuzzSessionState(f *testing.F) {
	for _, s := range someStates {
		f.Add(s.encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeState(b)
		if err != nil {
			return
		}
		again, err := decodeState(s.encode())
		if err != nil || !reflect.DeepEqual(s, again) {
			t.Fatalf("%+v is read as %+v, %v", s, again, err)
		}
		if len(s.encode()) > len(b) || !bytes.Equal(s.encode(), again.encode()) {
			t.Fatalf("%x is written as %x", b, s.encode())
		}
	})
}
