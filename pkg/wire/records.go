package wire

import "encoding/binary"

// Kind tells what a record is. Numbers are never used again.
type Kind uint8

// The kinds of records.
const (
	KindAck     Kind = 1 // both ways: what of a link has arrived
	KindPublish Kind = 2 // up: a Broadcast
	KindJoin    Kind = 3 // up: this loop has a subscriber of the topic or pattern
	KindFence   Kind = 4 // up: answer when everything before has been dealt with
	KindLeave   Kind = 5 // up: this loop has no subscriber any more
	KindSynced  Kind = 6 // up: this loop routes by that view, and what moved has been told
	KindDeliver Kind = 7 // down: a frame for the subscribers of a topic
	KindReply   Kind = 8 // down: a frame for one connection
	KindDone    Kind = 9 // down: the outcome of a Join or Fence

	KindForward  Kind = 10 // peer: a record that came to a node which is not its owner
	KindReleased Kind = 11 // peer: nothing of the old view will come from this lane

	KindPresent Kind = 12 // up: how many connections of a user this loop has
	KindAsk     Kind = 13 // up: a request about a user or a room
	KindConfirm Kind = 14 // up: what became of the queued messages that one connection got
	KindDigest  Kind = 15 // up: what this loop has told this lane, in short
	KindRetell  Kind = 16 // up: all that this loop told this lane is void, and told again
	KindAnswer  Kind = 17 // down: the outcome of an Ask or a Present, for the loop to act on
	KindEnter   Kind = 18 // down: a user is, or is no longer, a member of a room
	KindDeposit Kind = 19 // down: what this loop is to tell the next owner of a key; peer: the same, to that owner
	KindQueued  Kind = 20 // down: messages that waited, for one connection
	KindResync  Kind = 21 // down: the loop is to tell this lane everything again
	KindMember  Kind = 22 // peer: owner of a room to a user's and back: a membership
	KindPlaces  Kind = 23 // peer: owner of a user to a room's: where the user is connected

	KindFetch    Kind = 24 // up: what the history of a topic or room has behind a position is wanted
	KindPage     Kind = 25 // down: some of that
	KindTrack    Kind = 26 // up: what this loop has of a topic that only patterns brought here, as the owner is new
	KindPosition Kind = 27 // down: where a history stands, for a loop that has not got so far

	KindDemand   Kind = 28 // up: what a user who is on several gateways would send by way of this one
	KindShare    Kind = 29 // down: this gateway's part of a user's budget
	KindRedirect Kind = 30 // down: a message that the loop is to publish to another key, as a rule says
	KindAnew     Kind = 31 // up: this loop begins again, with nothing: all that it told this lane before is void
)

// Conn names a connection within a gateway: the loop that owns it, its slot there, and
// the slot's generation, so that a late answer does not reach the slot's next tenant.
type Conn struct {
	Loop uint8
	Slot uint32
	Gen  uint32
}

func appendConn(b []byte, c Conn) []byte {
	b = append(b, c.Loop)
	b = binary.LittleEndian.AppendUint32(b, c.Slot)
	return binary.LittleEndian.AppendUint32(b, c.Gen)
}

func (c *cursor) conn() Conn { return Conn{Loop: c.u8(), Slot: c.u32(), Gen: c.u32()} }

// Ack tells the sender of a link that everything up to Seq has arrived.
type Ack struct {
	Lane  uint16 // the sender's lane or loop that the link begins at
	Dir   Dir    // which of the links between the two lanes
	Seq   uint64 // last sequence number received in order
	Again bool   // a gap: send again from Seq+1
}

// Dir is the direction of a link, as its subject tells it.
type Dir uint8

// The directions of links.
const (
	DirUp Dir = iota
	DirDown
	DirPeer
)

// AppendAck appends an Ack record.
func AppendAck(b []byte, a Ack) []byte {
	b, at := begin(b, KindAck)
	b = binary.LittleEndian.AppendUint16(b, a.Lane)
	b = append(b, byte(a.Dir))
	b = binary.LittleEndian.AppendUint64(b, a.Seq)
	return end(append(b, flag(a.Again, 1)), at)
}

// Decode reads the body of a record.
func (a *Ack) Decode(body []byte) error {
	c := cursor{b: body}
	*a = Ack{Lane: c.u16(), Dir: Dir(c.u8()), Seq: c.u64(), Again: c.u8()&1 != 0}
	return c.err()
}

// Publish is a Broadcast on its way to the topic's owner.
type Publish struct {
	Conn    Conn
	Op      uint64 // the gateway's handle for the reply; 0: none is wanted
	Quiet   bool   // echo:false, the sender itself gets no copy
	Ruled   bool   // the routing rules have dealt with it
	SentAt  int64  // when the gateway read it, Unix microseconds
	Topic   string
	User    string
	ID      string // the sender's id; empty: none
	Payload []byte // any JSON value
	Roles   string // of the user, joined by line breaks; empty: none

	// Metadata is what rules have set: JSON members with commas between them. Empty: nothing.
	Metadata string
}

// AppendPublish appends a Publish record.
func AppendPublish(b []byte, p *Publish) []byte {
	b, at := begin(b, KindPublish)
	return end(appendPublish(b, p), at)
}

func appendPublish(b []byte, p *Publish) []byte {
	b = appendConn(b, p.Conn)
	b = binary.LittleEndian.AppendUint64(b, p.Op)
	b = append(b, flag(p.Quiet, 1)|flag(p.Ruled, 2)|flag(p.Roles != "", 4)|flag(p.Metadata != "", 8))
	b = binary.LittleEndian.AppendUint64(b, uint64(p.SentAt))
	b = appendBytes(b, p.Topic)
	b = appendBytes(b, p.User)
	b = appendBytes(b, p.ID)
	b = appendBytes(b, p.Payload)
	if p.Roles != "" {
		b = appendBytes(b, p.Roles)
	}
	if p.Metadata != "" {
		b = appendBytes(b, p.Metadata)
	}
	return b
}

// Decode reads the body of a record; strings and the payload alias it.
func (p *Publish) Decode(body []byte) error {
	c := cursor{b: body}
	c.publish(p)
	return c.err()
}

func (c *cursor) publish(p *Publish) {
	*p = Publish{Conn: c.conn(), Op: c.u64()}
	flags := c.u8()
	p.Quiet, p.Ruled, p.SentAt = flags&1 != 0, flags&2 != 0, int64(c.u64())
	p.Topic, p.User, p.ID, p.Payload = c.str(), c.str(), c.str(), c.bytes()
	if flags&4 != 0 {
		p.Roles = c.str()
	}
	if flags&8 != 0 {
		p.Metadata = c.str()
	}
}

// Redirect is a message on its way back to the loop that sent it to its owner, which is to publish it to the key that
// Topic is now.
type Redirect struct {
	Publish
	Copy bool // of a message that takes its own way; its Ack waits for this one's
}

// AppendRedirect appends a Redirect record.
func AppendRedirect(b []byte, r *Redirect) []byte {
	b, at := begin(b, KindRedirect)
	return end(append(appendPublish(b, &r.Publish), flag(r.Copy, 1)), at)
}

// Decode reads the body of a record; strings and the payload alias it.
func (r *Redirect) Decode(body []byte) error {
	c := cursor{b: body}
	c.publish(&r.Publish)
	r.Copy = c.u8()&1 != 0
	return c.err()
}

// Interest is the body of Join, Fence and Leave: one topic, pattern, or other key.
type Interest struct {
	Op    uint64 // the loop's handle for the Done; 0: none is wanted
	Topic string
	State State // what an owner deposited for the key, for the next one

	// Placed says that At is there: in a Join for a client, all behind it is wanted; in one that is told, the
	// loop has all up to it.
	Placed bool
	At     Position
}

// AppendInterest appends a record of kind KindJoin, KindFence or KindLeave.
func AppendInterest(b []byte, k Kind, i Interest) []byte {
	b, at := begin(b, k)
	b = binary.LittleEndian.AppendUint64(b, i.Op)
	b = appendState(appendBytes(b, i.Topic), i.State)
	b = append(b, flag(i.Placed, 1))
	if i.Placed {
		b = appendPosition(b, i.At)
	}
	return end(b, at)
}

// Decode reads the body of a record; Topic and State alias it.
func (i *Interest) Decode(body []byte) error {
	c := cursor{b: body}
	*i = Interest{Op: c.u64(), Topic: c.str(), State: c.state(), Placed: c.u8()&1 != 0}
	if i.Placed {
		i.At = c.position()
	}
	return c.err()
}

// Mark is the body of Synced and Released: a version of the owners' view.
type Mark struct{ View uint64 }

// AppendMark appends a record of kind KindSynced or KindReleased.
func AppendMark(b []byte, k Kind, m Mark) []byte {
	b, at := begin(b, k)
	return end(binary.LittleEndian.AppendUint64(b, m.View), at)
}

// Decode reads the body of a record.
func (m *Mark) Decode(body []byte) error {
	c := cursor{b: body}
	m.View = c.u64()
	return c.err()
}

// Deliver carries a finished WebSocket frame to the subscribers of a topic.
type Deliver struct {
	Loops  uint64 // bit i: loop i of the gateway has subscribers
	Quiet  bool   // not to Sender
	Sender Conn   // with Quiet: the connection left out
	SentAt int64  // when the sender's gateway read it, Unix microseconds
	Topic  string
	Frame  []byte
	State  uint64 // for those who watch a user: what the frame says, in short; 0: nothing to remember
	Except string // of a room's event: the user whose connections are left out; empty: nobody

	At Position // in the history; Offset 0: it has none
}

// AppendDeliver appends a Deliver record. Loops is its first field: see DeliverLoops.
func AppendDeliver(b []byte, d *Deliver) []byte {
	b, at := begin(b, KindDeliver)
	b = binary.LittleEndian.AppendUint64(b, d.Loops)
	b = append(b, flag(d.Quiet, 1)|flag(d.State != 0, 2)|flag(d.Except != "", 4)|flag(d.At.Offset != 0, 8))
	b = appendConn(b, d.Sender)
	b = binary.LittleEndian.AppendUint64(b, uint64(d.SentAt))
	b = appendBytes(b, d.Topic)
	b = appendBytes(b, d.Frame)
	if d.State != 0 {
		b = binary.LittleEndian.AppendUint64(b, d.State)
	}
	if d.Except != "" {
		b = appendBytes(b, d.Except)
	}
	if d.At.Offset != 0 {
		b = appendPosition(b, d.At)
	}
	return end(b, at)
}

// Decode reads the body of a record; Topic, Frame and Except alias it.
func (d *Deliver) Decode(body []byte) error {
	c := cursor{b: body}
	*d = Deliver{Loops: c.u64()}
	flags := c.u8()
	d.Quiet, d.Sender, d.SentAt = flags&1 != 0, c.conn(), int64(c.u64())
	d.Topic, d.Frame = c.str(), c.bytes()
	if flags&2 != 0 {
		d.State = c.u64()
	}
	if flags&4 != 0 {
		d.Except = c.str()
	}
	if flags&8 != 0 {
		d.At = c.position()
	}
	return c.err()
}

// Reply carries a finished WebSocket frame to one connection.
type Reply struct {
	Op    uint64 // the handle that it answers; 0: none
	Conn  Conn
	Frame []byte
}

// AppendReply appends a Reply record.
func AppendReply(b []byte, r *Reply) []byte {
	b, at := begin(b, KindReply)
	b = appendConn(b, r.Conn)
	b = binary.LittleEndian.AppendUint64(b, r.Op)
	return end(appendBytes(b, r.Frame), at)
}

// Decode reads the body of a record; Frame aliases it.
func (r *Reply) Decode(body []byte) error {
	c := cursor{b: body}
	*r = Reply{Conn: c.conn(), Op: c.u64(), Frame: c.bytes()}
	return c.err()
}

// Done answers a Join or a Fence.
type Done struct {
	Loop uint8
	Op   uint64
	Code uint16 // 0, or the code of the client protocol's Error

	Placed bool // it is about a topic or room with history
	Whole  bool // with Placed: all behind the Join's position can be fetched
	At     Position
}

// AppendDone appends a Done record.
func AppendDone(b []byte, d Done) []byte {
	b, at := begin(b, KindDone)
	b = append(b, d.Loop)
	b = binary.LittleEndian.AppendUint64(b, d.Op)
	b = binary.LittleEndian.AppendUint16(b, d.Code)
	b = append(b, flag(d.Placed, 1)|flag(d.Whole, 2))
	if d.Placed {
		b = appendPosition(b, d.At)
	}
	return end(b, at)
}

// Decode reads the body of a record.
func (d *Done) Decode(body []byte) error {
	c := cursor{b: body}
	*d = Done{Loop: c.u8(), Op: c.u64(), Code: c.u16()}
	flags := c.u8()
	if d.Placed, d.Whole = flags&1 != 0, flags&2 != 0; d.Placed {
		d.At = c.position()
	}
	return c.err()
}

// Forward wraps a record that reached a node which does not own its key, for the
// owner. A record is forwarded once.
type Forward struct {
	FromID   uint64 // the gateway that the record came from
	FromInc  uint32
	FromLane uint16
	Lanes    uint8
	View     uint64 // the view by which it is forwarded
	Record   Record
}

// AppendForward appends a Forward record.
func AppendForward(b []byte, f *Forward) []byte {
	b, at := begin(b, KindForward)
	b = binary.LittleEndian.AppendUint64(b, f.FromID)
	b = binary.LittleEndian.AppendUint32(b, f.FromInc)
	b = binary.LittleEndian.AppendUint16(b, f.FromLane)
	b = append(b, f.Lanes)
	b = binary.LittleEndian.AppendUint64(b, f.View)
	b = append(b, byte(f.Record.Kind))
	return end(appendBytes(b, f.Record.Body), at)
}

// Decode reads the body of a record; the inner record aliases it.
func (f *Forward) Decode(body []byte) error {
	c := cursor{b: body}
	*f = Forward{FromID: c.u64(), FromInc: c.u32(), FromLane: c.u16(), Lanes: c.u8(), View: c.u64()}
	f.Record = Record{Kind: Kind(c.u8()), Body: c.bytes()}
	return c.err()
}

// Loops tells which loops of the receiving gateway a down record concerns, as a set
// of bits; 0 for a record that concerns none or that is not known.
func (r Record) Loops() uint64 {
	c := cursor{b: r.Body}
	switch r.Kind {
	case KindDeliver, KindEnter, KindDeposit, KindPosition, KindShare:
		return c.u64()
	case KindReply, KindDone, KindAnswer, KindQueued, KindResync, KindPage, KindRedirect:
		if l := c.u8(); l < 64 && !c.short {
			return 1 << l
		}
	case KindAck:
		if l := c.u16(); l < 64 && !c.short && Dir(c.u8()) == DirUp {
			return 1 << l
		}
	}
	return 0
}

func flag(set bool, bit byte) byte {
	if set {
		return bit
	}
	return 0
}
