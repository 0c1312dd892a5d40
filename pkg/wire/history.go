package wire

import "encoding/binary"

// Position is a place in the history of a topic or room: all up to Offset, in the numbering of Epoch.
type Position struct {
	Offset uint64
	Epoch  uint64
}

func appendPosition(b []byte, p Position) []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(b, p.Offset), p.Epoch)
}

func (c *cursor) position() Position { return Position{Offset: c.u64(), Epoch: c.u64()} }

// Fetch asks for what a history has behind a position.
type Fetch struct {
	Op    uint64 // the loop's handle for the Page
	Key   string // of the topic or room
	After Position
	Least uint64 // an offset that the history has for certain: the owner may be behind; 0: not known
}

// AppendFetch appends a Fetch record.
func AppendFetch(b []byte, f *Fetch) []byte {
	b, at := begin(b, KindFetch)
	b = binary.LittleEndian.AppendUint64(b, f.Op)
	b = appendPosition(appendBytes(b, f.Key), f.After)
	return end(binary.LittleEndian.AppendUint64(b, f.Least), at)
}

// Decode reads the body of a record; Key aliases it.
func (f *Fetch) Decode(body []byte) error {
	c := cursor{b: body}
	*f = Fetch{Op: c.u64(), Key: c.str(), After: c.position(), Least: c.u64()}
	return c.err()
}

// Page answers a Fetch with finished frames, in order, without a gap between them. The first is the one behind
// Fetch.After, or, where that is no longer to be had, a later one.
type Page struct {
	Loop    uint8
	Op      uint64
	Code    uint16   // 0, or the code of the client protocol's Error
	Top     Position // where the history stands: the frames are of its epoch
	First   uint64   // offset of the first frame; with none, of the next one
	Lengths []byte   // of the frames, four bytes each
	Frames  []byte   // one behind the other
}

// Len is the number of frames.
func (p *Page) Len() int { return len(p.Lengths) / 4 }

// Length is that of the i-th frame.
func (p *Page) Length(i int) int { return int(binary.LittleEndian.Uint32(p.Lengths[4*i:])) }

// Add appends a frame. Both fields have to be the page's own.
func (p *Page) Add(frame []byte) {
	p.Lengths = binary.LittleEndian.AppendUint32(p.Lengths, uint32(len(frame)))
	p.Frames = append(p.Frames, frame...)
}

// AppendPage appends a Page record.
func AppendPage(b []byte, p *Page) []byte {
	b, at := begin(b, KindPage)
	b = append(b, p.Loop)
	b = binary.LittleEndian.AppendUint64(b, p.Op)
	b = binary.LittleEndian.AppendUint16(b, p.Code)
	b = binary.LittleEndian.AppendUint64(appendPosition(b, p.Top), p.First)
	return end(appendBytes(appendBytes(b, p.Lengths), p.Frames), at)
}

// Decode reads the body of a record; Lengths and Frames alias it.
func (p *Page) Decode(body []byte) error {
	c := cursor{b: body}
	*p = Page{
		Loop: c.u8(), Op: c.u64(), Code: c.u16(), Top: c.position(), First: c.u64(), Lengths: c.bytes(), Frames: c.bytes(),
	}
	if err := c.err(); err != nil {
		return err
	}
	total := 0
	for i := range p.Len() {
		total += p.Length(i)
	}
	if len(p.Lengths)%4 != 0 || total != len(p.Frames) {
		return ErrShort
	}
	return nil
}

// Placed is the body of Track and Position: a place in the history of a topic or room.
type Placed struct {
	Loops uint64 // of a Position, as Deliver.Loops
	Key   string
	At    Position
}

// AppendPlaced appends a record of kind KindTrack or KindPosition.
func AppendPlaced(b []byte, k Kind, p *Placed) []byte {
	b, at := begin(b, k)
	b = binary.LittleEndian.AppendUint64(b, p.Loops)
	return end(appendPosition(appendBytes(b, p.Key), p.At), at)
}

// Decode reads the body of a record; Key aliases it.
func (p *Placed) Decode(body []byte) error {
	c := cursor{b: body}
	*p = Placed{Loops: c.u64(), Key: c.str(), At: c.position()}
	return c.err()
}
