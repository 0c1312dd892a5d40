package wire

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// record is what every record's type has.
type record interface{ Decode(body []byte) error }

// fresh returns an empty record of a kind, nil for a kind that is not known.
func fresh(k Kind) record {
	switch k {
	case KindAck:
		return &Ack{}
	case KindPublish:
		return &Publish{}
	case KindJoin, KindFence, KindLeave:
		return &Interest{}
	case KindSynced, KindReleased:
		return &Mark{}
	case KindDeliver:
		return &Deliver{}
	case KindReply:
		return &Reply{}
	case KindRedirect:
		return &Redirect{}
	case KindDone:
		return &Done{}
	case KindForward:
		return &Forward{}
	case KindPresent:
		return &Present{}
	case KindAsk:
		return &Ask{}
	case KindConfirm:
		return &Confirm{}
	case KindDigest:
		return &Digest{}
	case KindAnswer:
		return &Answer{}
	case KindEnter:
		return &Enter{}
	case KindDeposit:
		return &Deposit{}
	case KindQueued:
		return &Queued{}
	case KindMember:
		return &Member{}
	case KindPlaces:
		return &Places{}
	case KindResync:
		return &Resync{}
	case KindFetch:
		return &Fetch{}
	case KindPage:
		return &Page{}
	case KindTrack, KindPosition:
		return &Placed{}
	case KindDemand:
		return &Demand{}
	case KindShare:
		return &Share{}
	}
	return nil
}

// encode appends a record, of the kind k where its type has several.
func encode(b []byte, k Kind, r record) []byte {
	switch r := r.(type) {
	case *Ack:
		return AppendAck(b, *r)
	case *Publish:
		return AppendPublish(b, r)
	case *Interest:
		return AppendInterest(b, k, *r)
	case *Mark:
		return AppendMark(b, k, *r)
	case *Deliver:
		return AppendDeliver(b, r)
	case *Reply:
		return AppendReply(b, r)
	case *Redirect:
		return AppendRedirect(b, r)
	case *Done:
		return AppendDone(b, *r)
	case *Forward:
		return AppendForward(b, r)
	case *Present:
		return AppendPresent(b, r)
	case *Ask:
		return AppendAsk(b, r)
	case *Confirm:
		return AppendConfirm(b, *r)
	case *Digest:
		return AppendDigest(b, *r)
	case *Answer:
		return AppendAnswer(b, r)
	case *Enter:
		return AppendEnter(b, r)
	case *Deposit:
		return AppendDeposit(b, r)
	case *Queued:
		return AppendQueued(b, r)
	case *Member:
		return AppendMember(b, r)
	case *Places:
		return AppendPlaces(b, r)
	case *Resync:
		return AppendResync(b, *r)
	case *Fetch:
		return AppendFetch(b, r)
	case *Page:
		return AppendPage(b, r)
	case *Placed:
		return AppendPlaced(b, k, r)
	case *Demand:
		return AppendDemand(b, r)
	case *Share:
		return AppendShare(b, r)
	}
	panic("no such record")
}

var (
	conn    = Conn{Loop: 7, Slot: 0xdeadbeef, Gen: 0x01020304}
	samples = []struct {
		kind Kind
		rec  record
	}{
		{KindAck, &Ack{Lane: 513, Dir: DirPeer, Seq: 1 << 60, Again: true}},
		{KindAck, &Ack{}},
		{KindPublish, &Publish{
			Conn: conn, Op: 1 << 63, Quiet: true, SentAt: -5, Topic: "chat.lobby", User: "älice",
			ID: "id \"1\"", Payload: []byte(`{"a":[1,2]}`),
		}},
		{KindPublish, &Publish{Payload: []byte{}}},
		{KindPublish, &Publish{Ruled: true, Payload: []byte("1"), Roles: "admin\nstaff"}},
		{KindPublish, &Publish{Payload: []byte("1"), Metadata: `"a":1`}},
		{KindRedirect, &Redirect{Publish: Publish{
			Conn: conn, Op: 5, Ruled: true, Topic: UserKey("bob"), User: "alice", ID: "m", Payload: []byte("1"), Roles: "admin",
		}}},
		{KindRedirect, &Redirect{Publish: Publish{Payload: []byte{}, Metadata: `"a":1`}, Copy: true}},
		{KindJoin, &Interest{Op: 3, Topic: "chat.>", State: State{Body: []byte{}}}},
		{KindFence, &Interest{Op: 4, Topic: strings.Repeat("x", 255), State: State{Body: []byte{}}}},
		{KindLeave, &Interest{State: State{Body: []byte{}}}},
		{KindSynced, &Mark{View: 1<<64 - 1}},
		{KindReleased, &Mark{View: 2}},
		{KindDemand, &Demand{Key: "\x01alice", Demand: 3 * WholeShare}},
		{KindShare, &Share{Loops: 1<<63 | 1, Key: "\x01alice", Share: WholeShare / 3, Gateways: 3, Unknown: true}},
		{KindDeliver, &Deliver{
			Loops: 1<<63 | 5, Quiet: true, Sender: conn, SentAt: 1763856000000000, Topic: "a", Frame: bytes.Repeat([]byte{0x81}, 1<<17),
		}},
		{KindDeliver, &Deliver{Frame: []byte{}}},
		{KindReply, &Reply{Op: 9, Conn: conn, Frame: []byte{0x81, 0}}},
		{KindDone, &Done{Loop: 63, Op: 77, Code: 503}},
		{KindForward, &Forward{
			FromID: 1, FromInc: 2, FromLane: 3, Lanes: 4, View: 5,
			Record: Record{Kind: KindPublish, Body: []byte("whatever it was")},
		}},
		{KindJoin, &Interest{Topic: RoomKey("r"), State: State{Version: 9, Body: []byte("props")}}},
		{KindDeliver, &Deliver{Loops: 1, Topic: WatchKey("u"), Frame: []byte{1}, State: 1 << 50}},
		{KindPresent, &Present{
			Op: 5, Told: true, Unmet: true, Key: UserKey("älice"), Count: 3, Conn: conn, State: State{Version: 1, Body: []byte("busy")},
			Rooms: []Membership{{"a", 1}, {"b.c", 1 << 63}},
		}},
		{KindPresent, &Present{State: State{Body: []byte{}}}},
		{KindAsk, &Ask{Conn: conn, Op: 6, Verb: VerbJoinRoom, Key: RoomKey("r"), User: "u", ID: "i", Data: []byte("{}")}},
		{KindConfirm, &Confirm{Key: UserKey("u"), Batch: 7, Lost: true}},
		{KindDigest, &Digest{Users: 8, Sum: 1 << 62}},
		{KindAnswer, &Answer{Loop: 3, Op: 9, Code: 404, State: 2, Body: []byte("x")}},
		{KindEnter, &Enter{Loops: 6, Out: true, Noted: true, Version: 4, User: UserKey("u"), Room: RoomKey("r")}},
		{KindDeposit, &Deposit{Loops: 6, Key: UserKey("u"), State: State{Version: 3, Body: []byte("x")}}},
		{KindResync, &Resync{Loop: 63}},
		{KindQueued, &Queued{Conn: conn, Batch: 11, Key: UserKey("u"), Frames: []byte{1}}},
		{KindPlaces, &Places{Key: RoomKey("r"), User: UserKey("u"), Loops: []Place{{1 << 60, 2, 3}, {4, 5, 6}}}},
		{KindPlaces, &Places{}},
		{KindJoin, &Interest{Op: 3, Topic: "h", State: State{Body: []byte{}}, Placed: true, At: Position{41, 1<<63 | 5}}},
		{KindJoin, &Interest{Topic: "h", State: State{Version: 1, Body: []byte("x")}, Placed: true}},
		{KindDeliver, &Deliver{Loops: 1, Topic: "h", Frame: []byte{1}, At: Position{1, 1<<62 - 1}}},
		{KindDeliver, &Deliver{
			Loops: 1, Quiet: true, Sender: conn, Topic: RoomKey("h"), Frame: []byte{1}, State: 7, Except: "u", At: Position{1<<64 - 1, 2},
		}},
		{KindDone, &Done{Loop: 63, Op: 77, Placed: true, Whole: true, At: Position{1 << 53, 3}}},
		{KindDone, &Done{Op: 1, Placed: true}},
		{KindDone, &Done{Op: 1, Code: 503, Whole: true}},
		{KindFetch, &Fetch{Op: 1 << 40, Key: "orders.eu", After: Position{9, 1 << 50}, Least: 12}},
		{KindFetch, &Fetch{}},
		{KindPage, pageOf(Page{Loop: 5, Op: 6, Top: Position{100, 1 << 50}, First: 10}, "first", "", "third")},
		{KindPage, &Page{Op: 6, Code: 404, Lengths: []byte{}, Frames: []byte{}}},
		{KindTrack, &Placed{Key: "orders.eu", At: Position{8, 9}}},
		{KindPosition, &Placed{Loops: 1 << 63, Key: RoomKey("h"), At: Position{8, 1 << 63}}},
		{KindMember, &Member{Key: UserKey("u"), Other: RoomKey("r"), Version: 12, Out: true, Durable: true, Ask: true, Tell: "deleted", By: "o", Count: 9}},
	}
)

// pageOf is a page with these frames.
func pageOf(p Page, frames ...string) *Page {
	for _, f := range frames {
		p.Add([]byte(f))
	}
	return &p
}

func batchOf(recs ...func([]byte) []byte) []byte {
	b := AppendHeader(nil, Header{FromID: 1, Seq: 1, Base: 1})
	for _, r := range recs {
		b = r(b)
	}
	return b
}

// only returns the record of a batch that has one.
func only(t *testing.T, batch []byte) Record {
	t.Helper()
	var list []Record
	for r, err := range Records(batch) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	if len(list) != 1 {
		t.Fatalf("%d records, want 1", len(list))
	}
	return list[0]
}

func TestRecordsRoundTrip(t *testing.T) {
	all := AppendHeader(nil, Header{})
	for _, s := range samples {
		b := encode(batchOf(), s.kind, s.rec)
		all = encode(all, s.kind, s.rec)
		r := only(t, b)
		if r.Kind != s.kind {
			t.Errorf("%T came as kind %d, want %d", s.rec, r.Kind, s.kind)
		}
		got := fresh(r.Kind)
		if err := got.Decode(r.Body); err != nil || !reflect.DeepEqual(got, s.rec) {
			t.Errorf("%T: got %+v (%v), want %+v", s.rec, got, err, s.rec)
		}
		if again := AppendRecord(batchOf(), r); !bytes.Equal(again, b) {
			t.Errorf("%T: AppendRecord gives other bytes", s.rec)
		}
	}
	i := 0
	for r, err := range Records(all) {
		if err != nil || r.Kind != samples[i].kind {
			t.Fatalf("record %d: kind %d (%v), want %d", i, r.Kind, err, samples[i].kind)
		}
		i++
	}
	if i != len(samples) {
		t.Errorf("%d records, want %d", i, len(samples))
	}
}

// A decoded record owes nothing to what its variable held before.
func TestDecodeForgets(t *testing.T) {
	for _, s := range samples {
		empty := fresh(s.kind)
		body := only(t, encode(batchOf(), s.kind, empty)).Body
		full := fresh(s.kind)
		if err := full.Decode(only(t, encode(batchOf(), s.kind, s.rec)).Body); err != nil {
			t.Fatal(err)
		}
		if err := full.Decode(body); err != nil {
			t.Fatal(err)
		}
		if err := empty.Decode(body); err != nil || !reflect.DeepEqual(full, empty) {
			t.Errorf("%T: %+v after another, %+v alone (%v)", s.rec, full, empty, err)
		}
	}
}

// The next release may add fields behind those that are known.
func TestFieldsMayBeAdded(t *testing.T) {
	for _, s := range samples {
		r := only(t, encode(batchOf(), s.kind, s.rec))
		longer := only(t, AppendRecord(batchOf(), Record{r.Kind, append(bytes.Clone(r.Body), "more"...)}))
		got := fresh(r.Kind)
		if err := got.Decode(longer.Body); err != nil || !reflect.DeepEqual(got, s.rec) {
			t.Errorf("%T with a field more: %+v (%v)", s.rec, got, err)
		}
		if longer.Loops() != r.Loops() {
			t.Errorf("%T with a field more is for the loops %b, want %b", s.rec, longer.Loops(), r.Loops())
		}
	}
}

func TestShortBodies(t *testing.T) {
	for _, s := range samples {
		body := only(t, encode(batchOf(), s.kind, s.rec)).Body
		for n := range min(len(body), 200) {
			if err := fresh(s.kind).Decode(body[:n:n]); !errors.Is(err, ErrShort) {
				t.Fatalf("%T of %d bytes instead of %d: %v, want ErrShort", s.rec, n, len(body), err)
			}
			Record{s.kind, body[:n:n]}.Loops() // does not panic
		}
	}
	if err := (&Publish{}).Decode(nil); !errors.Is(err, ErrShort) {
		t.Errorf("an empty Publish: %v", err)
	}
	// A length beyond what an int of 32 bits holds.
	body := append(make([]byte, 8), 0xff, 0xff, 0xff, 0xff)
	if err := (&Interest{}).Decode(body); !errors.Is(err, ErrShort) {
		t.Errorf("a topic of 4 GiB: %v", err)
	}
}

func TestUnknownKindsAreSkipped(t *testing.T) {
	b := AppendMark(batchOf(), KindSynced, Mark{View: 1})
	b = AppendRecord(b, Record{Kind: 200, Body: []byte("from the next release")})
	b = AppendRecord(b, Record{Kind: 201})
	b = AppendMark(b, KindReleased, Mark{View: 2})
	var kinds []Kind
	for r, err := range Records(b) {
		if err != nil {
			t.Fatal(err)
		}
		if kinds = append(kinds, r.Kind); r.Kind >= 200 && r.Loops() != 0 {
			t.Errorf("kind %d is for the loops %b", r.Kind, r.Loops())
		}
	}
	if want := []Kind{KindSynced, 200, 201, KindReleased}; !reflect.DeepEqual(kinds, want) {
		t.Errorf("kinds %v, want %v", kinds, want)
	}
}

func TestLoops(t *testing.T) {
	tests := []struct {
		name string
		kind Kind
		rec  record
		want uint64
	}{
		{"deliver", KindDeliver, &Deliver{Loops: 0xf00f}, 0xf00f},
		{"reply", KindReply, &Reply{Conn: Conn{Loop: 3}}, 1 << 3},
		{"reply to the last loop", KindReply, &Reply{Conn: Conn{Loop: 63}}, 1 << 63},
		{"redirect", KindRedirect, &Redirect{Publish: Publish{Conn: Conn{Loop: 3}}}, 1 << 3},
		{"reply to no loop that can be", KindReply, &Reply{Conn: Conn{Loop: 64}}, 0},
		{"done", KindDone, &Done{Loop: 2}, 1 << 2},
		{"acknowledgement of an up link", KindAck, &Ack{Lane: 5, Dir: DirUp}, 1 << 5},
		{"of lane 261", KindAck, &Ack{Lane: 261, Dir: DirUp}, 0},
		{"of a down link", KindAck, &Ack{Lane: 5, Dir: DirDown}, 0},
		{"publish", KindPublish, &Publish{Conn: Conn{Loop: 3}}, 0},
		{"page", KindPage, &Page{Loop: 4}, 1 << 4},
		{"page for no loop that can be", KindPage, &Page{Loop: 64}, 0},
		{"position", KindPosition, &Placed{Loops: 6}, 6},
		{"track", KindTrack, &Placed{Loops: 6}, 0},
		{"fetch", KindFetch, &Fetch{Op: 3}, 0},
		{"share", KindShare, &Share{Loops: 5}, 5},
		{"demand", KindDemand, &Demand{Demand: 5}, 0},
	}
	for _, tt := range tests {
		if got := only(t, encode(batchOf(), tt.kind, tt.rec)).Loops(); got != tt.want {
			t.Errorf("%s: loops %b, want %b", tt.name, got, tt.want)
		}
	}
}

// Encoding into a buffer that is large enough, and decoding, allocate nothing.
func TestAllocations(t *testing.T) {
	buf := make([]byte, 0, 1<<20)
	n := testing.AllocsPerRun(100, func() {
		b := AppendHeader(buf, Header{Seq: 1})
		for i := range samples {
			b = encode(b, samples[i].kind, samples[i].rec)
		}
		if len(b) > cap(buf) {
			t.Fatal("the buffer is too small")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations to encode one record of each kind", n)
	}
	b := AppendHeader(buf, Header{Seq: 1})
	for i := range samples {
		b = encode(b, samples[i].kind, samples[i].rec)
	}
	n = testing.AllocsPerRun(100, func() {
		if _, err := ParseHeader(b); err != nil {
			t.Fatal(err)
		}
		loops := uint64(0)
		for r, err := range Records(b) {
			loops |= r.Loops()
			var (
				ack      Ack
				publish  Publish
				interest Interest
				mark     Mark
				deliver  Deliver
				reply    Reply
				done     Done
				forward  Forward
			)
			switch r.Kind {
			case KindAck:
				err = ack.Decode(r.Body)
			case KindPublish:
				err = publish.Decode(r.Body)
			case KindJoin, KindFence, KindLeave:
				err = interest.Decode(r.Body)
			case KindSynced, KindReleased:
				err = mark.Decode(r.Body)
			case KindDeliver:
				err = deliver.Decode(r.Body)
			case KindReply:
				err = reply.Decode(r.Body)
			case KindDone:
				err = done.Decode(r.Body)
			case KindForward:
				err = forward.Decode(r.Body)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if loops == 0 {
			t.Fatal("no loops")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations to decode one record of each kind", n)
	}
}
