package gateway_test

import (
	"encoding/binary"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// Opcodes of RFC 6455 section 5.2.
const (
	opCont   = 0x0
	opText   = 0x1
	opBinary = 0x2
	opClose  = 0x8
	opPing   = 0x9
	opPong   = 0xa
)

// rfcFrame is a frame, well-formed or not.
type rfcFrame struct {
	op      byte
	more    bool // FIN is 0
	rsv     byte // the three bits, 0–7
	bare    bool // without a mask
	mask    [4]byte
	length  uint64 // in the header
	form    int    // octets of the extended length: 0, 2 or 8
	payload string
}

// rfcMask is the masking key of the RFC's examples (section 5.7).
var rfcMask = [4]byte{0x37, 0xfa, 0x21, 0x3d}

func newFrame(op byte, payload string) rfcFrame {
	return rfcFrame{op: op, mask: rfcMask, payload: payload}.claiming(uint64(len(payload)))
}

func textFrame(payload string) rfcFrame   { return newFrame(opText, payload) }
func binaryFrame(payload string) rfcFrame { return newFrame(opBinary, payload) }
func contFrame(payload string) rfcFrame   { return newFrame(opCont, payload) }
func pingFrame(payload string) rfcFrame   { return newFrame(opPing, payload) }
func pongFrame(payload string) rfcFrame   { return newFrame(opPong, payload) }

func closeFrame(code uint16, reason string) rfcFrame {
	return newFrame(opClose, string(binary.BigEndian.AppendUint16(nil, code))+reason)
}

// unfinished clears FIN.
func (f rfcFrame) unfinished() rfcFrame { f.more = true; return f }

// reserved sets the RSV bits: 4 is RSV1, 1 is RSV3.
func (f rfcFrame) reserved(rsv byte) rfcFrame { f.rsv = rsv; return f }

func (f rfcFrame) unmasked() rfcFrame { f.bare = true; return f }

func (f rfcFrame) maskedWith(key [4]byte) rfcFrame { f.mask = key; return f }

// claiming gives the frame a length of n, in its shortest form, whatever its payload.
func (f rfcFrame) claiming(n uint64) rfcFrame {
	f.length = n
	switch {
	case n < 126:
		f.form = 0
	case n < 1<<16:
		f.form = 2
	default:
		f.form = 8
	}
	return f
}

// sizedIn puts the length into an extended length of 2 or 8 octets.
func (f rfcFrame) sizedIn(octets int) rfcFrame { f.form = octets; return f }

// header is the header only.
func (f rfcFrame) header() rfcFrame { f.payload = ""; return f }

func (f rfcFrame) bytes() []byte {
	first, second := f.rsv<<4|f.op, byte(f.length)
	if !f.more {
		first |= 0x80
	}
	switch f.form {
	case 2:
		second = 126
	case 8:
		second = 127
	}
	if !f.bare {
		second |= 0x80
	}
	b := []byte{first, second}
	switch f.form {
	case 2:
		b = binary.BigEndian.AppendUint16(b, uint16(f.length))
	case 8:
		b = binary.BigEndian.AppendUint64(b, f.length)
	}
	if f.bare {
		return append(b, f.payload...)
	}
	b = append(b, f.mask[:]...)
	for i := range len(f.payload) {
		b = append(b, f.payload[i]^f.mask[i%4])
	}
	return b
}

// fragments cuts a text message into frames of n octets.
func fragments(message string, n int) []rfcFrame {
	list := []rfcFrame{textFrame(message[:min(n, len(message))])}
	for at := n; at < len(message); at += n {
		list[len(list)-1].more = true
		list = append(list, contFrame(message[at:min(at+n, len(message))]))
	}
	return list
}

// halves is a text message in two fragments.
func halves(message string) (first, second rfcFrame) {
	list := fragments(message, (len(message)+1)/2)
	return list[0], list[1]
}

// read reads a frame of the gateway's, which has to be as the RFC wants it.
func (p *rfcPeer) read() rfcFrame {
	p.t.Helper()
	var b [8]byte
	p.readFull(b[:2])
	f := rfcFrame{op: b[0] & 0xf, more: b[0]&0x80 == 0, rsv: b[0] >> 4 & 7, bare: b[1]&0x80 == 0}
	f.length = uint64(b[1] & 0x7f)
	switch f.length {
	case 126:
		p.readFull(b[:2])
		f.length, f.form = uint64(binary.BigEndian.Uint16(b[:])), 2
	case 127:
		p.readFull(b[:8])
		f.length, f.form = binary.BigEndian.Uint64(b[:]), 8
	}
	switch {
	case f.rsv != 0:
		p.t.Fatalf("frame with RSV %d", f.rsv)
	case f.more:
		p.t.Fatal("frame without FIN: the gateway makes no fragments")
	case !f.bare:
		p.t.Fatal("masked frame: a server MUST NOT mask (section 5.1)")
	case f.form != f.claiming(f.length).form:
		p.t.Fatalf("length %d in %d octets: not the least (section 5.2)", f.length, f.form)
	case f.length > 1<<20:
		p.t.Fatalf("frame of %d octets", f.length)
	}
	payload := make([]byte, f.length)
	p.readFull(payload)
	f.payload = string(payload)
	p.checkPayload(f)
	return f
}

func (p *rfcPeer) checkPayload(f rfcFrame) {
	p.t.Helper()
	switch f.op {
	case opText:
		if !utf8.ValidString(f.payload) || !json.Valid([]byte(f.payload)) || !strings.HasPrefix(f.payload, "{") {
			p.t.Fatalf("text %q is no JSON object in UTF-8", f.payload)
		}
	case opClose:
		if f.length < 2 || f.length > 125 || !utf8.ValidString(f.payload[2:]) {
			p.t.Fatalf("close frame with payload %q", f.payload)
		}
	case opPing, opPong:
		if f.length > 125 {
			p.t.Fatalf("control frame of %d octets", f.length)
		}
	default:
		p.t.Fatalf("frame with opcode %#x", f.op)
	}
}
