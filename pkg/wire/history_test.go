package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"
)

// A page gives back the frames that were added, each in its place.
func TestPageFrames(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 50 {
		var want [][]byte
		p := Page{First: 1}
		for range n {
			frame := bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(300))
			want = append(want, frame)
			p.Add(frame)
		}
		var got Page
		if err := got.Decode(only(t, AppendPage(batchOf(), &p)).Body); err != nil || got.Len() != n {
			t.Fatalf("%d of %d frames, %v", got.Len(), n, err)
		}
		at := 0
		for i, frame := range want {
			if end := at + got.Length(i); !bytes.Equal(got.Frames[at:end], frame) {
				t.Fatalf("frame %d of %d is another", i, n)
			}
			at += got.Length(i)
		}
	}
}

// Lengths that are not those of the frames would have a gateway read beyond them.
func TestPageThatDoesNotAddUp(t *testing.T) {
	lengths := func(list ...uint32) (b []byte) {
		for _, n := range list {
			b = binary.LittleEndian.AppendUint32(b, n)
		}
		return b
	}
	for _, p := range []Page{
		{Lengths: lengths(1)},
		{Lengths: lengths(4), Frames: []byte("abc")},
		{Lengths: lengths(2), Frames: []byte("abc")},
		{Frames: []byte("abc")},
		{Lengths: lengths(1<<32-1, 4), Frames: []byte("abc")},
		{Lengths: lengths(3)[:3], Frames: []byte("")},
		{Lengths: append(lengths(3), 0), Frames: []byte("abc")},
	} {
		var got Page
		if err := got.Decode(only(t, AppendPage(batchOf(), &p)).Body); !errors.Is(err, ErrShort) {
			t.Errorf("%+v: %v, want ErrShort", p, err)
		}
	}
}

// Whatever comes as a record of whatever kind is read, or refused, and what was read is written the same way again.
func FuzzRecord(f *testing.F) {
	for _, s := range samples {
		for r := range Records(encode(batchOf(), s.kind, s.rec)) {
			f.Add(byte(r.Kind), r.Body)
		}
	}
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		rec := fresh(Kind(kind))
		if rec == nil {
			return
		}
		Record{Kind(kind), body}.Loops()
		if rec.Decode(body) != nil {
			return
		}
		if p, ok := rec.(*Page); ok {
			total := 0
			for i := range p.Len() {
				total += p.Length(i)
			}
			if total != len(p.Frames) {
				t.Fatalf("%d bytes of frames of %d bytes", len(p.Frames), total)
			}
		}
		again := fresh(Kind(kind))
		if err := again.Decode(only(t, encode(batchOf(), Kind(kind), rec)).Body); err != nil || !reflect.DeepEqual(rec, again) {
			t.Fatalf("%+v is read as %+v, %v", rec, again, err)
		}
	})
}
