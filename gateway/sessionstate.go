package gateway

import (
	"encoding/binary"
	"errors"

	"github.com/realtime-cluster/realtime/pkg/wire"
)

// savedState is what a session has: topics, patterns and rooms, and what the client has got of their histories.
type savedState []savedKey

type savedKey struct {
	key    string
	placed bool // at is there
	at     wire.Position
}

// stateVersion is the first byte of an encoded state.
const stateVersion = 1

// endedState is the state of a session that an operator has ended: it is not to be resumed.
var endedState = []byte{0}

var errState = errors.New("not the state of a session")

func (s savedState) encode() []byte {
	size := 1
	for _, k := range s {
		size += 3 + len(k.key) + 16
	}
	b := append(make([]byte, 0, size), stateVersion)
	for _, k := range s {
		var placed byte
		if k.placed {
			placed = 1
		}
		b = append(binary.LittleEndian.AppendUint16(b, uint16(len(k.key))), placed)
		b = append(b, k.key...)
		if k.placed {
			b = binary.LittleEndian.AppendUint64(b, k.at.Offset)
			b = binary.LittleEndian.AppendUint64(b, k.at.Epoch)
		}
	}
	return b
}

func decodeState(b []byte) (s savedState, err error) {
	if len(b) == 0 || b[0] != stateVersion {
		return nil, errState
	}
	for b = b[1:]; len(b) > 0; {
		if len(b) < 3 {
			return nil, errState
		}
		n := int(binary.LittleEndian.Uint16(b))
		k := savedKey{placed: b[2]&1 != 0}
		if b = b[3:]; len(b) < n {
			return nil, errState
		}
		k.key, b = string(b[:n]), b[n:]
		if k.placed {
			if len(b) < 16 {
				return nil, errState
			}
			k.at = wire.Position{Offset: binary.LittleEndian.Uint64(b), Epoch: binary.LittleEndian.Uint64(b[8:])}
			b = b[16:]
		}
		s = append(s, k)
	}
	return s, nil
}
