package wire

import (
	"encoding/binary"
	"unsafe"
)

// cursor reads the fields of a record's body one after another; past the end it
// gives zeros and remembers that the body was short.
type cursor struct {
	b     []byte
	short bool
}

func (c *cursor) take(n int) []byte {
	if c.short || n < 0 || n > len(c.b) {
		c.short = true
		return nil
	}
	p := c.b[:n]
	c.b = c.b[n:]
	return p
}

func (c *cursor) u8() uint8 {
	if p := c.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if p := c.take(2); p != nil {
		return binary.LittleEndian.Uint16(p)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if p := c.take(4); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if p := c.take(8); p != nil {
		return binary.LittleEndian.Uint64(p)
	}
	return 0
}

// bytes reads a field of variable length; it aliases the body.
func (c *cursor) bytes() []byte {
	n := c.u32()
	if uint64(n) > uint64(len(c.b)) {
		c.short = true
		return nil
	}
	return c.take(int(n))
}

// str reads a field of variable length as a string that aliases the body.
func (c *cursor) str() string {
	p := c.bytes()
	return unsafe.String(unsafe.SliceData(p), len(p))
}

func (c *cursor) err() error {
	if c.short {
		return ErrShort
	}
	return nil
}

func appendBytes[T ~string | ~[]byte](b []byte, p T) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(p)))
	return append(b, p...)
}
