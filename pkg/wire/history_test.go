package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
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
