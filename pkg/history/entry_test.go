package history

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

func entries() []Entry {
	return []Entry{
		{Epoch: 1, First: 1, Publications: []Publication{{Payload: []byte{}}}},
		{Epoch: NewEpoch(modelNow, 5), First: 1 << 60, Publications: []Publication{
			{SentAt: modelNow.UnixMilli(), User: "alice", MessageID: "m-1", Given: true, Payload: []byte(`{"a":1}`)},
			{SentAt: -1, User: "bøb", MessageID: "", Payload: bytes.Repeat([]byte{0xff}, 70_000)},
			{MessageID: "m-1", Payload: []byte("null"), Metadata: `"by":"alice","n":1`},
		}},
	}
}

func TestEntryComesBackAsItWas(t *testing.T) {
	for _, e := range entries() {
		var got Entry
		if err := got.Decode(e.Encode()); err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("%+v, %v", got, err)
		}
		if got.Last() != e.First+uint64(len(e.Publications))-1 {
			t.Error(got.Last())
		}
	}
}

func TestEntryThatIsNone(t *testing.T) {
	for _, e := range entries() {
		whole := e.Encode()
		for n := range whole {
			if n > 200 && n < len(whole)-200 {
				continue
			}
			if err := new(Entry).Decode(whole[:n]); !errors.Is(err, errEntry) {
				t.Errorf("the first %d bytes of %d: %v", n, len(whole), err)
			}
		}
		if err := new(Entry).Decode(append(whole, 0)); !errors.Is(err, errEntry) {
			t.Errorf("with one byte more: %v", err)
		}
	}
	valid := Publication{Payload: []byte("1")}
	for name, e := range map[string]Entry{
		"no publications":  {Epoch: 1, First: 1},
		"offset 0":         {Epoch: 1, Publications: []Publication{valid}},
		"no epoch":         {First: 1, Publications: []Publication{valid}},
		"an unborn epoch":  {Epoch: Unborn(modelNow), First: 1, Publications: []Publication{valid}},
		"offsets overflow": {Epoch: 1, First: 1<<64 - 1, Publications: []Publication{valid, valid}},
	} {
		if err := new(Entry).Decode(e.Encode()); !errors.Is(err, errEntry) {
			t.Errorf("%s: %v", name, err)
		}
	}
	later := entries()[0].Encode()
	later[0] = entryVersion + 1
	if err := new(Entry).Decode(later); !errors.Is(err, errEntry) {
		t.Errorf("a later version: %v", err)
	}
}

func FuzzEntry(f *testing.F) {
	for _, e := range entries() {
		f.Add(e.Encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var e Entry
		if err := e.Decode(b); err != nil {
			if !errors.Is(err, errEntry) {
				t.Error(err)
			}
			return
		}
		if e.Last() < e.First || !e.Epoch.Born() || len(e.Publications) == 0 {
			t.Errorf("%d to %d of %v", e.First, e.Last(), e.Epoch)
		}
		again := e.Encode()
		var twice Entry
		if err := twice.Decode(again); err != nil || !reflect.DeepEqual(twice, e) {
			t.Errorf("%+v, then %+v, %v", e, twice, err)
		}
		if !bytes.Equal(again, b) {
			t.Errorf("%x is encoded as %x", b, again)
		}
	})
}
