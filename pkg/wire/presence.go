package wire

import "encoding/binary"

// State is what an owner deposited at the gateways for the next owner of a key: opaque
// to them, the one of the highest version counts.
type State struct {
	Version uint64 // 0: nothing was deposited
	Body    []byte
}

func appendState(b []byte, s State) []byte {
	return appendBytes(binary.LittleEndian.AppendUint64(b, s.Version), s.Body)
}

func (c *cursor) state() State { return State{Version: c.u64(), Body: c.bytes()} }

// Present tells the owner of a user how many connections of the user a loop has now.
type Present struct {
	Op    uint64 // the loop's handle for the Answer, a connection's beginning; 0: none is wanted
	Told  bool   // told of the loop's own accord, as the owner is new
	Unmet bool   // with Told: connections began without an owner's answer, which may have rooms that the loop does not know
	Key   string // the user's
	Count uint32
	Conn  Conn  // with Op: the connection that begins
	State State // with Told
	Rooms []Membership
}

// Membership is one room of a user's, or one user of a room's, and the version of that.
type Membership struct {
	Name    string
	Version uint64
}

// AppendPresent appends a Present record.
func AppendPresent(b []byte, p *Present) []byte {
	b, at := begin(b, KindPresent)
	b = binary.LittleEndian.AppendUint64(b, p.Op)
	b = append(b, flag(p.Told, 1)|flag(p.Unmet, 2))
	b = appendBytes(b, p.Key)
	b = binary.LittleEndian.AppendUint32(b, p.Count)
	b = appendConn(b, p.Conn)
	b = appendState(b, p.State)
	return end(appendMemberships(b, p.Rooms), at)
}

// Decode reads the body of a record; strings alias it.
func (p *Present) Decode(body []byte) error {
	c := cursor{b: body}
	*p = Present{Op: c.u64()}
	flags := c.u8()
	p.Told, p.Unmet = flags&1 != 0, flags&2 != 0
	p.Key, p.Count, p.Conn, p.State, p.Rooms = c.str(), c.u32(), c.conn(), c.state(), c.memberships()
	return c.err()
}

// Told reports whether a record is a loop's own account, as the owner is new to it: a Present
// that says so, a Join that asks for no answer, or a Track.
func (r Record) Told() bool {
	switch r.Kind {
	case KindPresent:
		c := cursor{b: r.Body}
		c.u64()
		return c.u8()&1 != 0
	case KindJoin:
		c := cursor{b: r.Body}
		return c.u64() == 0 && !c.short
	case KindTrack:
		return true
	}
	return false
}

func appendMemberships(b []byte, list []Membership) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(list)))
	for _, m := range list {
		b = binary.LittleEndian.AppendUint64(appendBytes(b, m.Name), m.Version)
	}
	return b
}

func (c *cursor) memberships() (list []Membership) {
	for n := c.u32(); n > 0 && !c.short; n-- {
		list = append(list, Membership{Name: c.str(), Version: c.u64()})
	}
	return list
}

// Verb is what an Ask asks for. Numbers are never used again.
type Verb uint8

// The verbs.
const (
	VerbCreateRoom   Verb = 1
	VerbJoinRoom     Verb = 2
	VerbLeaveRoom    Verb = 3
	VerbAddMember    Verb = 4
	VerbRemoveMember Verb = 5
	VerbDeleteRoom   Verb = 6
	VerbRoomInfo     Verb = 7
	VerbSetPresence  Verb = 8
	VerbGetPresence  Verb = 9
	VerbWatch        Verb = 10 // as a Join: this loop has a connection that watches the user
	VerbUnwatch      Verb = 11 // as a Fence
	VerbGetStatus    Verb = 12 // only the status, as text
	VerbHistory      Verb = 13 // of a topic or room
)

// Ask is a client's request about one user or room, for its owner.
type Ask struct {
	Conn Conn
	Op   uint64 // the loop's handle for the Reply or Answer; 0: none is wanted
	Verb Verb
	Key  string // of the user or room that is asked about
	User string // who asks
	ID   string // the message's id; empty: none
	Data []byte // the message's data as it came, valid JSON
}

// AppendAsk appends an Ask record.
func AppendAsk(b []byte, a *Ask) []byte {
	b, at := begin(b, KindAsk)
	b = appendConn(b, a.Conn)
	b = binary.LittleEndian.AppendUint64(b, a.Op)
	b = append(b, byte(a.Verb))
	b = appendBytes(b, a.Key)
	b = appendBytes(b, a.User)
	b = appendBytes(b, a.ID)
	return end(appendBytes(b, a.Data), at)
}

// Decode reads the body of a record; strings and Data alias it.
func (a *Ask) Decode(body []byte) error {
	c := cursor{b: body}
	*a = Ask{
		Conn: c.conn(), Op: c.u64(), Verb: Verb(c.u8()), Key: c.str(), User: c.str(), ID: c.str(), Data: c.bytes(),
	}
	return c.err()
}

// Answer tells a loop the outcome of an Ask or a Present, for it to act on.
type Answer struct {
	Loop  uint8
	Op    uint64
	Code  uint16 // 0, or the code of the client protocol's Error
	State uint64 // as Deliver.State
	Body  []byte
}

// AppendAnswer appends an Answer record.
func AppendAnswer(b []byte, a *Answer) []byte {
	b, at := begin(b, KindAnswer)
	b = append(b, a.Loop)
	b = binary.LittleEndian.AppendUint64(b, a.Op)
	b = binary.LittleEndian.AppendUint16(b, a.Code)
	b = binary.LittleEndian.AppendUint64(b, a.State)
	return end(appendBytes(b, a.Body), at)
}

// Decode reads the body of a record; Body aliases it.
func (a *Answer) Decode(body []byte) error {
	c := cursor{b: body}
	*a = Answer{Loop: c.u8(), Op: c.u64(), Code: c.u16(), State: c.u64(), Body: c.bytes()}
	return c.err()
}

// Enter tells loops that a user is a member of a room, or with Out no longer. It comes from the
// owner of the room and from that of the user, in any order: the highest version counts.
type Enter struct {
	Loops   uint64 // as Deliver.Loops
	Out     bool
	Noted   bool   // from the room's owner, which knows that the loop has members now; otherwise from the user's
	Version uint64 // of the membership
	User    string // key; empty with Out and Noted: all members, the room has ended
	Room    string // key
}

// AppendEnter appends an Enter record.
func AppendEnter(b []byte, e *Enter) []byte {
	b, at := begin(b, KindEnter)
	b = binary.LittleEndian.AppendUint64(b, e.Loops)
	b = append(b, flag(e.Out, 1)|flag(e.Noted, 2))
	b = binary.LittleEndian.AppendUint64(b, e.Version)
	b = appendBytes(b, e.User)
	return end(appendBytes(b, e.Room), at)
}

// Decode reads the body of a record; strings alias it.
func (e *Enter) Decode(body []byte) error {
	c := cursor{b: body}
	*e = Enter{Loops: c.u64()}
	flags := c.u8()
	e.Out, e.Noted = flags&1 != 0, flags&2 != 0
	e.Version, e.User, e.Room = c.u64(), c.str(), c.str()
	return c.err()
}

// Deposit gives loops what they are to tell the next owner of a key.
type Deposit struct {
	Loops uint64 // as Deliver.Loops
	Key   string
	State State
}

// AppendDeposit appends a Deposit record.
func AppendDeposit(b []byte, d *Deposit) []byte {
	b, at := begin(b, KindDeposit)
	b = binary.LittleEndian.AppendUint64(b, d.Loops)
	b = appendBytes(b, d.Key)
	return end(appendState(b, d.State), at)
}

// Decode reads the body of a record; Key and State alias it.
func (d *Deposit) Decode(body []byte) error {
	c := cursor{b: body}
	*d = Deposit{Loops: c.u64(), Key: c.str(), State: c.state()}
	return c.err()
}

// Queued carries messages that waited for a user to one of its connections: Conn, or, when that is
// gone, another of the loop's. The loop finds out whether the client has read them, and sends
// Confirm.
type Queued struct {
	Conn   Conn
	Batch  uint64 // the owner's number of these messages
	Key    string // the user's
	Frames []byte // finished, one after another
}

// AppendQueued appends a Queued record.
func AppendQueued(b []byte, q *Queued) []byte {
	b, at := begin(b, KindQueued)
	b = binary.LittleEndian.AppendUint64(appendConn(b, q.Conn), q.Batch)
	return end(appendBytes(appendBytes(b, q.Key), q.Frames), at)
}

// Decode reads the body of a record; Key and Frames alias it.
func (q *Queued) Decode(body []byte) error {
	c := cursor{b: body}
	*q = Queued{Conn: c.conn(), Batch: c.u64(), Key: c.str(), Frames: c.bytes()}
	return c.err()
}

// Confirm answers a Queued: the client has read the messages, or, with Lost, the
// connection ended before that was known.
type Confirm struct {
	Key   string // the user's
	Batch uint64
	Lost  bool
}

// AppendConfirm appends a Confirm record.
func AppendConfirm(b []byte, f Confirm) []byte {
	b, at := begin(b, KindConfirm)
	b = appendBytes(b, f.Key)
	b = binary.LittleEndian.AppendUint64(b, f.Batch)
	return end(append(b, flag(f.Lost, 1)), at)
}

// Decode reads the body of a record; Key aliases it.
func (f *Confirm) Decode(body []byte) error {
	c := cursor{b: body}
	*f = Confirm{Key: c.str(), Batch: c.u64(), Lost: c.u8()&1 != 0}
	return c.err()
}

// Digest sums up which users a loop has told a lane, and with how many connections.
type Digest struct {
	Users uint32 // with at least one connection
	Sum   uint64 // of DigestOf each, wrapping
}

// DigestOf is one user's part of a Digest. hash is that of the user's key. No connection has none.
func DigestOf(hash uint64, count uint32) uint64 {
	if count == 0 {
		return 0
	}
	x := (hash ^ uint64(count)) * 0x9e3779b97f4a7c15
	return x ^ x>>29
}

// AppendDigest appends a Digest record.
func AppendDigest(b []byte, d Digest) []byte {
	b, at := begin(b, KindDigest)
	b = binary.LittleEndian.AppendUint32(b, d.Users)
	return end(binary.LittleEndian.AppendUint64(b, d.Sum), at)
}

// Decode reads the body of a record.
func (d *Digest) Decode(body []byte) error {
	c := cursor{b: body}
	*d = Digest{Users: c.u32(), Sum: c.u64()}
	return c.err()
}

// AppendRetell appends a Retell record, which has no fields.
func AppendRetell(b []byte) []byte {
	b, at := begin(b, KindRetell)
	return end(b, at)
}

// AppendAnew appends an Anew record, which has no fields.
func AppendAnew(b []byte) []byte {
	b, at := begin(b, KindAnew)
	return end(b, at)
}

// Resync asks one loop to tell the sender everything again, as its Digest differs from what
// the sender knows.
type Resync struct{ Loop uint8 }

// AppendResync appends a Resync record.
func AppendResync(b []byte, r Resync) []byte {
	b, at := begin(b, KindResync)
	return end(append(b, r.Loop), at)
}

// Decode reads the body of a record.
func (r *Resync) Decode(body []byte) error {
	c := cursor{b: body}
	r.Loop = c.u8()
	return c.err()
}

// Member passes a membership between the owner of a room and that of a user. Whichever
// way it goes, Key is what its receiver owns.
type Member struct {
	Key     string // the receiver's: of the room, or of the user
	Other   string // the sender's: of the user, or of the room
	Version uint64
	Count   uint32 // with Tell: the members of the room now
	Out     bool   // not, or no longer, a member
	Durable bool   // survives the user's absence
	Ask     bool   // from a user's owner, with Out: the user is to leave
	Tell    string // the event of the room of which the user's connections are to be told; empty: none
	By      string // with Tell: the user whom the event names
}

// AppendMember appends a Member record.
func AppendMember(b []byte, m *Member) []byte {
	b, at := begin(b, KindMember)
	b = appendBytes(b, m.Key)
	b = appendBytes(b, m.Other)
	b = binary.LittleEndian.AppendUint64(b, m.Version)
	b = binary.LittleEndian.AppendUint32(b, m.Count)
	b = append(b, flag(m.Out, 1)|flag(m.Durable, 2)|flag(m.Ask, 4)|flag(m.Tell != "", 8))
	if m.Tell != "" {
		b = appendBytes(appendBytes(b, m.Tell), m.By)
	}
	return end(b, at)
}

// Decode reads the body of a record; strings alias it.
func (m *Member) Decode(body []byte) error {
	c := cursor{b: body}
	*m = Member{Key: c.str(), Other: c.str(), Version: c.u64(), Count: c.u32()}
	flags := c.u8()
	m.Out, m.Durable, m.Ask = flags&1 != 0, flags&2 != 0, flags&4 != 0
	if flags&8 != 0 {
		m.Tell, m.By = c.str(), c.str()
	}
	return c.err()
}

// Places tells a room's owner where a user whom it made a member has connections, so that what is said
// from then on goes there.
type Places struct {
	Key   string // the room's
	User  string // key
	Loops []Place
}

// Place is one loop of one gateway.
type Place struct {
	ID   uint64 // of the gateway
	Inc  uint32
	Loop uint16
}

// AppendPlaces appends a Places record.
func AppendPlaces(b []byte, p *Places) []byte {
	b, at := begin(b, KindPlaces)
	b = appendBytes(appendBytes(b, p.Key), p.User)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(p.Loops)))
	for _, l := range p.Loops {
		b = binary.LittleEndian.AppendUint64(b, l.ID)
		b = binary.LittleEndian.AppendUint32(b, l.Inc)
		b = binary.LittleEndian.AppendUint16(b, l.Loop)
	}
	return end(b, at)
}

// Decode reads the body of a record; strings alias it.
func (p *Places) Decode(body []byte) error {
	c := cursor{b: body}
	*p = Places{Key: c.str(), User: c.str()}
	for n := c.u32(); n > 0 && !c.short; n-- {
		p.Loops = append(p.Loops, Place{ID: c.u64(), Inc: c.u32(), Loop: c.u16()})
	}
	return c.err()
}
