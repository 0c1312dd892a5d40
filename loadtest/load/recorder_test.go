//go:build linux

package main

import (
	"fmt"
	"strings"
	"testing"
)

// Each script is what connection 1 of a topic's 3 sees of the messages that 0 and 1 send: sender/number, or away. Five were sent by each.
func TestRecorder(t *testing.T) {
	const all = "0/0 1/0 1/1 0/1 0/2 0/3 1/2 1/3 0/4 1/4"
	for _, tt := range []struct {
		script  string
		excused []message
		counted int
		want    wrongs
	}{
		{all, nil, 10, wrongs{}},
		{strings.Replace(all, "0/2 ", "", 1), nil, 9, wrongs{Lost: 1}},
		{strings.Replace(all, "0/0 ", "", 1), nil, 9, wrongs{Lost: 1}},
		{strings.Replace(all, " 1/4", "", 1), nil, 9, wrongs{Lost: 1}},
		{"", nil, 0, wrongs{Lost: 10}},
		{strings.Replace(all, "0/2 ", "", 1), []message{{0, 0, 2}}, 9, wrongs{Excused: 1}},
		{strings.Replace(all, "0/2 ", "", 1), []message{{0, 1, 2}}, 9, wrongs{Lost: 1}},
		{all, []message{{0, 0, 2}}, 10, wrongs{}},
		{all + " 0/2", nil, 10, wrongs{Doubled: 1}},
		{all + " 0/4", nil, 10, wrongs{Doubled: 1}},
		{strings.Replace(all, "0/1 0/2", "0/2 0/1", 1), nil, 10, wrongs{Disordered: 1}},
		{strings.Replace(all, "0/1 0/2 0/3", "0/3 0/2 0/1", 1), nil, 10, wrongs{Disordered: 2}},
		{strings.Replace(all, "0/1 0/2 0/3", "0/3 0/2 0/2", 1), nil, 9, wrongs{Disordered: 1, Doubled: 1, Lost: 1}},
		{all + " 2/0", nil, 10, wrongs{Misdelivered: 1}},
		{all + " 3/0", nil, 10, wrongs{Misdelivered: 1}},
		{"0/0 1/0 away 0/3 0/4 1/4", nil, 5, wrongs{}},
		{"0/0 1/0 away 0/2 0/4 1/4", nil, 5, wrongs{Lost: 1}},
		{"0/0 1/0 away", nil, 2, wrongs{}},
		{"0/0 1/0 resume 0/0 1/0 0/1 0/2 0/3 0/4 1/1 1/2 1/3 1/4", nil, 10, wrongs{Again: 2}},
		{"0/0 1/0 resume 0/2 0/3 0/4 1/1 1/2 1/3 1/4", nil, 9, wrongs{Lost: 1}},
		{"0/0 1/0 resume 0/1 0/2 0/1 0/3 0/4 1/1 1/2 1/3 1/4", nil, 10, wrongs{Doubled: 1}},
	} {
		kinds := []kind{{Name: kindShared, Crowds: 1, Senders: 2, Total: 3}}
		r := newRecorder(kinds, 1, func(local int) int { return local + 1 })
		counted := 0
		for word := range strings.FieldsSeq(tt.script) {
			switch word {
			case "away":
				r.away(0)
				continue
			case "resume":
				r.resume(0)
				continue
			}
			var s stamp
			if _, err := fmt.Sscanf(word, "%d/%d", &s.sender, &s.seq); err != nil {
				t.Fatal(err)
			}
			if r.arrived(0, s) {
				counted++
			}
		}
		excused := make(map[message]bool)
		for _, m := range tt.excused {
			excused[m] = true
		}
		got := r.verify([][]uint32{{5, 5, 0}}, excused)
		got.Examples = nil
		if fmt.Sprint(got) != fmt.Sprint(tt.want) || counted != tt.counted {
			t.Errorf("%s: %+v, %d counted", tt.script, got, counted)
		}
	}
}

// What a user says of itself is told again when it comes and goes.
func TestPresenceIsToldAgain(t *testing.T) {
	r := newRecorder([]kind{{Name: kindPresence, Size: 2, Total: 2}}, 1, func(int) int { return 0 })
	for i, want := range []bool{true, false, true} {
		if got := r.arrived(0, stamp{sender: 1, seq: []uint32{0, 0, 1}[i]}); got != want {
			t.Errorf("message %d: %v", i, got)
		}
	}
	r.away(0)
	if r.arrived(0, stamp{sender: 1, seq: 3}) || !r.arrived(0, stamp{sender: 1, seq: 4}) {
		t.Error("the state at a return counts as a message")
	}
	if got := r.verify([][]uint32{{0, 5}}, nil); got.broken() != 0 {
		t.Errorf("%+v", got)
	}
}

// Who gets what is the same for senders and receivers.
func TestGroups(t *testing.T) {
	for _, total := range []int{1, 2, 9, 10, 23} {
		for _, k := range []kind{
			{Name: kindShared, Crowds: 1, Senders: 1}, {Name: kindHot, Crowds: 3, Senders: 2}, {Name: kindChat, Size: 10},
			{Name: kindRooms, Size: 4}, {Name: kindDirect, Size: 10}, {Name: kindPresence, Size: 10}, {Name: kindDirect, Size: 1},
		} {
			k.Total = total
			senders, sending := 0, 0
			for c := range total {
				if k.sends(c) {
					senders++
				}
				got := 0
				for r := range total {
					slot := k.slot(r, c)
					if slot < 0 {
						continue
					}
					got++
					if slot >= k.slots() || k.source(r, slot) != c {
						t.Errorf("%+v: slot %d of %d for %d is of %d", k, slot, r, c, k.source(r, slot))
					}
				}
				if k.sends(c) && got != k.receivers(c) || !k.sends(c) && got != 0 {
					t.Errorf("%+v: %d has %d receivers, not %d", k, c, got, k.receivers(c))
				}
				for slot := range k.slots() {
					if s := k.source(c, slot); s >= 0 {
						sending++
						if k.slot(c, s) != slot {
							t.Errorf("%+v: slot %d of %d is of %d", k, slot, c, s)
						}
					}
				}
			}
			if senders != k.senders(total) || sending == 0 && total > 1 && k.Size != 1 {
				t.Errorf("%+v: %d senders, not %d", k, senders, k.senders(total))
			}
		}
	}
}

func TestStamps(t *testing.T) {
	s := stamp{kind: 3, sender: 149_999, seq: 4_000_000_000, due: 9e18}
	b := s.appendPayload([]byte(`{"payload":`), 200)
	if got, ok := stampIn(b); !ok || got != s || len(b) != len(`{"payload":`)+200 || b[len(b)-1] != '"' {
		t.Errorf("%+v, %v, %s", got, ok, b)
	}
	if got, ok := parseStamp(s.appendID(nil)); !ok || got != s {
		t.Errorf("%+v, %v", got, ok)
	}
	for _, text := range []string{"", `{"payload":"rt1."}`, `"rt1.1.2.3"`, `"rt1.1.2.3.x."`, `"rt1.1.2.3.4`, `"rt1.-1.2.3.4."`} {
		if got, ok := stampIn([]byte(text)); ok {
			t.Errorf("%s is %+v", text, got)
		}
	}
}

func TestSlope(t *testing.T) {
	if got := slope(100, []int{10}, []float64{200}); got != 10 {
		t.Errorf("from the base: %v", got)
	}
	if got := slope(0, []int{10, 20, 30}, []float64{1000, 1050, 1100}); got != 5 {
		t.Errorf("over steps: %v", got)
	}
}
