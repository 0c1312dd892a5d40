//go:build linux

package main

import (
	"testing"

	"github.com/realtime-cluster/realtime/loadtest/client"
)

// TestCompare: whatever is wrong is counted, and makes a run fail where nothing may be lost.
func TestCompare(t *testing.T) {
	stored := func(id string, offset int64) message {
		return message{id, payload, client.Position{Offset: offset, Epoch: "e"}}
	}
	other := stored("b", 2)
	other.payload = `"other"`
	for _, tt := range []struct {
		name   string
		stored []message
		want   report
	}{
		{"all there", []message{stored("a", 1), stored("b", 2), stored("unknown", 3)}, report{}},
		{"a lost tail", []message{stored("a", 1)}, report{lost: 1}},
		{"nothing", nil, report{lost: 2}},
		{"a lost head", []message{stored("b", 2)}, report{lost: 1, gaps: 1}},
		{"a hole", []message{stored("a", 1), stored("b", 2), stored("c", 4)}, report{gaps: 1}},
		{"twice", []message{stored("a", 1), stored("b", 2), stored("b", 3)}, report{repeated: 1, moved: 1}},
		{"in another order", []message{stored("b", 1), stored("a", 2)}, report{moved: 2}},
		{"another payload", []message{stored("a", 1), other}, report{moved: 1}},
		{"another epoch", []message{
			{"a", payload, client.Position{Offset: 1, Epoch: "f"}}, {"b", payload, client.Position{Offset: 2, Epoch: "f"}},
		}, report{moved: 2, epochs: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := report{histories: writers, rooms: 1}
			got.compare([]client.Ack{{MessageID: "a", Offset: 1, Epoch: "e"}, {MessageID: "b", Offset: 2, Epoch: "e"}}, tt.stored)
			want := tt.want
			want.histories, want.acked, want.rooms = writers, 2, 1
			if got != want {
				t.Errorf("\n got %+v\nwant %+v", got, want)
			}
			if good := tt.want == (report{}); got.ok() != good {
				t.Errorf("ok: %v", got.ok())
			}
		})
	}
}

// TestOutcome: a run that noticed nothing, or looked at nothing, is not a good one.
func TestOutcome(t *testing.T) {
	for _, tt := range []struct {
		rep  report
		want bool
	}{
		{report{histories: writers, rooms: 9}, true},
		{report{histories: writers, rooms: 9, lostRooms: 1}, false},
		{report{histories: writers - 1, rooms: 9}, false},
		{report{histories: writers}, false},
		{report{scenario: scenario{want: loses}, histories: writers, rooms: 9, lost: 1, lostRooms: 1}, true},
		{report{scenario: scenario{want: loses}, histories: writers, rooms: 9}, false},
		{report{scenario: scenario{want: loses}, histories: writers, rooms: 9, lost: 1}, false},
		{report{scenario: scenario{want: mayLose}, histories: writers, rooms: 9, lost: 1}, true},
	} {
		if got := tt.rep.ok(); got != tt.want {
			t.Errorf("%+v: %v", tt.rep, got)
		}
	}
}
