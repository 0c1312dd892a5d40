package store

import (
	"errors"
	"strconv"
	"testing"
)

// reply is an entry as XRANGE replies what append.lua adds.
func reply(position string, m Message) any {
	return []any{position, []any{"f", m.From, "i", m.ID, "t", strconv.FormatInt(m.SentAt, 10), "p", string(m.Payload)}}
}

func FuzzDecode(f *testing.F) {
	f.Add("1-0", "alice", "id", int64(1), []byte("{}"), "x", "y")
	f.Add("", "", "", int64(-1), []byte(nil), "t", "z")
	f.Fuzz(func(t *testing.T, position, from, id string, sent int64, payload []byte, name, value string) {
		m := Message{ID: id, From: from, Payload: payload, SentAt: sent}
		whole := reply(position, m).([]any)
		fields := whole[1].([]any)
		e, err := decode(whole)
		if (err == nil) != (position != "") || e.Position != position {
			t.Fatalf("position %q: %+v, %v", position, e, err)
		}
		if err == nil && (e.From != from || e.ID != id || e.SentAt != sent || string(e.Payload) != string(payload)) {
			t.Fatalf("got %+v, want %+v", e, m)
		}
		// A later version's field does no harm, and anything else is an error, not a panic.
		later := append(fields[:8:8], "z"+name, value)
		if _, err := decode([]any{position, later}); (err == nil) != (position != "") {
			t.Fatalf("with %q: %v", name, err)
		}
		for _, bad := range []any{
			nil, value, whole[:1], []any{position, nil}, []any{position, fields[:6]}, []any{position, fields[:7]},
			[]any{position, []any{name, value}}, []any{position, append([]any{name, nil}, fields...)},
			[]any{position, append([]any{"t", "x" + value}, fields...)}, []any{nil, fields},
		} {
			if _, err := decode(bad); !errors.Is(err, errEntry) {
				t.Fatalf("%v: %v", bad, err)
			}
		}
	})
}
