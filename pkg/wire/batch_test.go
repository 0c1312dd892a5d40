package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"testing"
)

var header = Header{
	FromID: 0x0102030405060708, FromInc: 0x11121314, FromLane: 0x2122, Lanes: 0x31,
	ToInc: 0x41424344, View: 0x5152535455565758, Seq: 0x6162636465666768, Base: 0x7172737475767778,
}

// The bytes of a batch are a contract with the releases before and after this one.
func TestHeaderBytes(t *testing.T) {
	const want = "01" + "31" + "2221" + "14131211" + "0807060504030201" + "5857565554535251" +
		"6867666564636261" + "7877767574737271" + "44434241"
	b := AppendHeader(nil, header)
	if got := hex.EncodeToString(b); got != want || len(b) != HeaderSize {
		t.Errorf("header\n%s, want\n%s", got, want)
	}
	if got, err := ParseHeader(b); err != nil || got != header {
		t.Errorf("read back %+v (%v)", got, err)
	}
	b = AppendMark(nil, KindSynced, Mark{View: 0x0102030405060708})
	if got, want := hex.EncodeToString(b), "09000000"+"06"+"0807060504030201"; got != want {
		t.Errorf("record\n%s, want\n%s", got, want)
	}
}

func TestParseHeaderErrors(t *testing.T) {
	b := AppendHeader(nil, header)
	for n := range b {
		if _, err := ParseHeader(b[:n]); !errors.Is(err, ErrShort) {
			t.Fatalf("%d bytes: %v, want ErrShort", n, err)
		}
	}
	b[0] = Version + 1
	if _, err := ParseHeader(b); !errors.Is(err, ErrVersion) {
		t.Errorf("another version: %v, want ErrVersion", err)
	}
}

func TestPutSeq(t *testing.T) {
	b := AppendMark(AppendHeader(nil, header), KindSynced, Mark{View: 1})
	before := bytes.Clone(b)
	PutSeq(b, 5, 3)
	want := header
	want.Seq, want.Base = 5, 3
	if got, err := ParseHeader(b); err != nil || got != want {
		t.Errorf("%+v (%v), want %+v", got, err, want)
	}
	PutSeq(b, header.Seq, header.Base)
	if !bytes.Equal(b, before) {
		t.Error("PutSeq changed something else")
	}
}

// A batch that ends early gives what came before, and then an error.
func TestRecordsOfBrokenBatches(t *testing.T) {
	b := AppendMark(AppendHeader(nil, header), KindSynced, Mark{View: 1})
	b = AppendMark(b, KindReleased, Mark{View: 2})
	one := HeaderSize + (len(b)-HeaderSize)/2
	for n := range len(b) + 1 {
		whole, failed := 0, 0
		for r, err := range Records(b[:n:n]) {
			switch {
			case errors.Is(err, ErrShort):
				failed++
			case err != nil:
				t.Fatalf("%d bytes: %v", n, err)
			case failed > 0 || len(r.Body) != 8:
				t.Fatalf("%d bytes: record %+v after %d errors", n, r, failed)
			default:
				whole++
			}
		}
		wantWhole := 0
		if n >= one {
			wantWhole++
		}
		if n == len(b) {
			wantWhole++
		}
		wantFailed := 1
		if n == HeaderSize || n == one || n == len(b) {
			wantFailed = 0
		}
		if whole != wantWhole || failed != wantFailed {
			t.Fatalf("%d of %d bytes: %d records and %d errors, want %d and %d", n, len(b), whole, failed, wantWhole, wantFailed)
		}
	}
	for name, tail := range map[string]string{
		"a record of length 0":     "\x00\x00\x00\x00\x00",
		"a record of 4 GiB":        "\xff\xff\xff\xff\x01",
		"a record one byte beyond": "\x02\x00\x00\x00\x01",
	} {
		failed := false
		for _, err := range Records(append(AppendHeader(nil, header), tail...)) {
			failed = errors.Is(err, ErrShort)
		}
		if !failed {
			t.Errorf("%s is taken", name)
		}
	}
	for range Records(b) { // who has enough may stop
		break
	}
}

// FuzzBatch reads arbitrary bytes as a batch. What can be read, is written again and read
// again as the same.
func FuzzBatch(f *testing.F) {
	all := AppendHeader(nil, header)
	for _, s := range samples {
		if len(encode(nil, s.kind, s.rec)) > 1<<12 {
			continue
		}
		b := encode(AppendHeader(nil, header), s.kind, s.rec)
		all = encode(all, s.kind, s.rec)
		f.Add(b)
		f.Add(b[:len(b)-1])
	}
	f.Add(all)
	f.Add(AppendRecord(all, Record{Kind: 250, Body: []byte("new")}))
	f.Fuzz(func(t *testing.T, batch []byte) {
		h, err := ParseHeader(batch)
		if err != nil {
			if h != (Header{}) {
				t.Fatalf("header %+v and %v", h, err)
			}
			for _, err := range Records(batch) {
				if len(batch) < HeaderSize && !errors.Is(err, ErrShort) {
					t.Fatalf("records without a header: %v", err)
				}
			}
			return
		}
		if again := AppendHeader(nil, h); !bytes.Equal(again, batch[:HeaderSize]) {
			t.Fatalf("header %x is written as %x", batch[:HeaderSize], again)
		}
		whole := batch[:HeaderSize:HeaderSize]
		for r, err := range Records(batch) {
			if err != nil {
				if !errors.Is(err, ErrShort) {
					t.Fatal(err)
				}
				return
			}
			whole = AppendRecord(whole, r)
			checkRecord(t, r)
		}
		if !bytes.Equal(whole, batch) {
			t.Fatalf("batch %x is written as %x", batch, whole)
		}
	})
}

func checkRecord(t *testing.T, r Record) {
	loops := r.Loops()
	rec := fresh(r.Kind)
	if rec == nil {
		if loops != 0 {
			t.Fatalf("kind %d is for the loops %b", r.Kind, loops)
		}
		return
	}
	if err := rec.Decode(r.Body); err != nil {
		if !errors.Is(err, ErrShort) {
			t.Fatal(err)
		}
		return
	}
	var want uint64
	switch v := rec.(type) {
	case *Deliver:
		if want = v.Loops; v.At.Offset == 0 {
			v.At = Position{} // there is no such place
		}
	case *Reply:
		want = 1 << v.Conn.Loop
	case *Redirect:
		want = 1 << v.Conn.Loop
	case *Done:
		want = 1 << v.Loop
	case *Answer:
		want = 1 << v.Loop
	case *Resync:
		want = 1 << v.Loop
	case *Queued:
		want = 1 << v.Conn.Loop
	case *Enter:
		want = v.Loops
	case *Share:
		want = v.Loops
	case *Deposit:
		want = v.Loops
	case *Page:
		want = 1 << v.Loop
	case *Placed:
		if r.Kind == KindPosition {
			want = v.Loops
		}
	case *Ack:
		if v.Dir == DirUp {
			want = 1 << v.Lane
		}
	}
	if loops != want {
		t.Fatalf("%+v is for the loops %b, want %b", rec, loops, want)
	}
	encoded := encode(AppendHeader(nil, Header{}), r.Kind, rec)
	for again, err := range Records(encoded) {
		if err != nil || again.Kind != r.Kind || len(again.Body) > len(r.Body) {
			t.Fatalf("%+v is written as %+v (%v)", rec, again, err)
		}
		second := fresh(r.Kind)
		if err := second.Decode(again.Body); err != nil || !reflect.DeepEqual(rec, second) {
			t.Fatalf("%+v is read again as %+v (%v)", rec, second, err)
		}
	}
}
