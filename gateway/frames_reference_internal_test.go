package gateway

import (
	"encoding/binary"
	"slices"
)

// event is something that a reader of a client's frames sees. kind is the opcode of a
// ping, or of a whole message, or opClose: then code is that of the close frame to send.
type event struct {
	kind    byte
	payload []byte
	code    uint16
}

// referenceFrames reads a client's frames as RFC 6455 tells it, of a stream that is there
// as a whole: the model for the loop's own reader. half says that it ends within a frame
// or a message.
func referenceFrames(stream []byte, most int) (events []event, half bool) {
	end := func(code uint16) ([]event, bool) { return append(events, event{kind: 8, code: code}), false }
	var message []byte
	var kind byte // of the message whose fragments come; 0: none
	for len(stream) > 0 {
		h, ok := referenceHeader(stream)
		if !ok {
			return events, true
		}
		if h.malformed || (h.op == 0) == (kind == 0) && h.op < 8 {
			return end(1002)
		}
		if h.op < 8 && h.length > uint64(most-len(message)) {
			return end(1009)
		}
		if uint64(len(stream)-h.size) < h.length {
			return events, true
		}
		payload := slices.Clone(stream[h.size : h.size+int(h.length)])
		for i := range payload {
			payload[i] ^= h.mask[i%4]
		}
		stream = stream[h.size+int(h.length):]
		switch h.op {
		case 8:
			return end(referenceClose(payload))
		case 9:
			events = append(events, event{kind: 9, payload: payload})
		case 0, 1, 2:
			message = append(message, payload...)
			kind |= h.op
			valid, prefix := referenceUTF8(message)
			if kind == 1 && !valid && (h.fin || !prefix) {
				return end(1007)
			}
			if h.fin {
				events = append(events, event{kind: kind, payload: message})
				message, kind = nil, 0
			}
		}
	}
	return events, kind != 0
}

type referenceHead struct {
	op        byte
	fin       bool
	length    uint64
	mask      [4]byte
	size      int  // octets of the header
	malformed bool // whatever came before it
}

// referenceHeader reads a header. ok is false when it is not whole.
func referenceHeader(b []byte) (h referenceHead, ok bool) {
	if len(b) < 2 {
		return h, false
	}
	h.op, h.fin, h.length = b[0]&15, b[0]>>7 == 1, uint64(b[1]&127)
	h.size = 2 + 8*int(h.length/127) + 2*int(h.length%127/126)
	if masked := b[1]>>7 == 1; masked {
		h.size += 4
	} else {
		h.malformed = true
	}
	if len(b) < h.size {
		return h, false
	}
	least := uint64(0)
	switch h.length {
	case 126:
		h.length, least = uint64(binary.BigEndian.Uint16(b[2:])), 126
	case 127:
		h.length, least = binary.BigEndian.Uint64(b[2:]), 1<<16
	}
	if !h.malformed {
		copy(h.mask[:], b[h.size-4:])
	}
	known := h.op <= 2 || 8 <= h.op && h.op <= 10
	control := h.op >= 8
	if !known || b[0]&0x70 != 0 || h.length < least || h.length>>63 == 1 || control && (!h.fin || h.length > 125) {
		h.malformed = true
	}
	return h, true
}

// referenceClose is the code that answers a close frame.
func referenceClose(payload []byte) uint16 {
	switch len(payload) {
	case 0:
		return 1000
	case 1:
		return 1002
	}
	code := binary.BigEndian.Uint16(payload)
	if valid, _ := referenceUTF8(payload[2:]); !valid {
		return 1007
	}
	registered := []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014}
	if code/1000 != 3 && code/1000 != 4 && !slices.Contains(registered, code) {
		return 1002
	}
	return code
}

// utf8Grammar is the syntax of RFC 3629 section 4: for each form of a character the range
// of each octet.
var utf8Grammar = [][][2]byte{
	{{0x00, 0x7f}},
	{{0xc2, 0xdf}, {0x80, 0xbf}},
	{{0xe0, 0xe0}, {0xa0, 0xbf}, {0x80, 0xbf}},
	{{0xe1, 0xec}, {0x80, 0xbf}, {0x80, 0xbf}},
	{{0xed, 0xed}, {0x80, 0x9f}, {0x80, 0xbf}},
	{{0xee, 0xef}, {0x80, 0xbf}, {0x80, 0xbf}},
	{{0xf0, 0xf0}, {0x90, 0xbf}, {0x80, 0xbf}, {0x80, 0xbf}},
	{{0xf1, 0xf3}, {0x80, 0xbf}, {0x80, 0xbf}, {0x80, 0xbf}},
	{{0xf4, 0xf4}, {0x80, 0x8f}, {0x80, 0xbf}, {0x80, 0xbf}},
}

// referenceUTF8 reports whether p is UTF-8, and whether it can become so by what follows.
func referenceUTF8(p []byte) (valid, prefix bool) {
next:
	for len(p) > 0 {
		for _, form := range utf8Grammar {
			n := 0
			for n < len(form) && n < len(p) && form[n][0] <= p[n] && p[n] <= form[n][1] {
				n++
			}
			if n == len(form) {
				p = p[n:]
				continue next
			}
			if n == len(p) {
				return false, true
			}
		}
		return false, false
	}
	return true, true
}
