package cluster

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestBeatRoundTrip(t *testing.T) {
	for _, b := range []Beat{
		{Node: Node{Ref: Ref{1, 0}, Role: RoleGateway}},
		{
			Node: Node{
				Ref: Ref{math.MaxUint64, 41}, Role: RolePresence, Name: "höst \"7\"",
				Lanes: 4, State: Leaving, Version: "1.2.0",
			},
			Hello: true, Gone: true,
			Dead:     []Ref{{2, 0}, {3, 9}},
			Suspects: []Ref{{4, 0}, {5, 2}},
			Load:     map[string]float64{"connections": 120000, "cpu": 0.5},
			Demand:   12345.5,
		},
	} {
		data, err := b.encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeBeat(data)
		if err != nil || !reflect.DeepEqual(got, b) {
			t.Errorf("%s\ngave %+v, %v\nwant %+v", data, got, err, b)
		}
	}
}

func TestDecodeBeat(t *testing.T) {
	const id = `"v":1,"id":"00000000000000a1",`
	for _, c := range []struct{ name, data, err string }{
		{"least", `{` + id + `"role":"router","state":"active"}`, ""},
		{"unknown field", `{` + id + `"role":"router","state":"active","later":{"x":[1]}}`, ""},
		{"empty", ``, "unexpected end"},
		{"not JSON", `beat`, "invalid character"},
		{"later version", `{"v":2,"id":"00000000000000a1","role":"router","state":"active"}`, "format version 2"},
		{"no id", `{"v":1,"role":"router","state":"active"}`, "no id"},
		{"short id", `{"v":1,"id":"a1","role":"router","state":"active"}`, "16 hex digits"},
		{"number as id", `{"v":1,"id":161,"role":"router","state":"active"}`, "cannot unmarshal"},
		{"unknown role", `{` + id + `"role":"cook","state":"active"}`, "role"},
		{"unknown state", `{` + id + `"role":"router","state":"asleep"}`, "unknown state"},
		{"negative inc", `{` + id + `"inc":-1,"role":"router","state":"active"}`, "cannot unmarshal"},
		{"last inc", `{` + id + `"inc":4294967295,"role":"router","state":"active"}`, "incarnation"},
		{"last dead inc", `{` + id + `"role":"router","state":"active","dead":[{"id":"00000000000000a2","inc":4294967295}]}`, "incarnation"},
		{"too many suspects", `{` + id + `"role":"router","state":"active","suspects":[` + strings.Repeat(`{},`, maxReadRefs) + `{}]}`, "suspects"},
		{"too many lanes", `{` + id + `"role":"router","state":"active","lanes":65537}`, "lanes"},
		{"demand", `{` + id + `"role":"gateway","state":"active","demand":0.5}`, ""},
		{"negative demand", `{` + id + `"role":"gateway","state":"active","demand":-1}`, "demand"},
		{"too much demand", `{` + id + `"role":"gateway","state":"active","demand":1e16}`, "demand"},
		{"long name", `{` + id + `"role":"router","state":"active","name":"` + strings.Repeat("n", 257) + `"}`, "too long"},
		{"too big", `{` + id + `"role":"router","state":"active"}` + strings.Repeat(" ", maxBeatBytes), "bytes"},
	} {
		_, err := decodeBeat([]byte(c.data))
		switch {
		case c.err == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.err != "" && (!errors.Is(err, errBeat) || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: error %v, want %q", c.name, err, c.err)
		}
	}
}

// FuzzDecodeBeat: whatever is accepted is within bounds, survives a round trip, and does
// not confuse Members.
func FuzzDecodeBeat(f *testing.F) {
	f.Add([]byte(`{"v":1,"id":"00000000000000a1","inc":3,"role":"router","name":"h","lanes":4,"state":"active","hello":true}`))
	f.Add([]byte(`{"v":1,"id":"00000000000000a1","role":"gateway","state":"leaving","gone":true,"dead":[{"id":"0000000000000001","inc":0}],"suspects":[{"id":"0000000000000001","inc":0}],"load":{"x":1e300}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := decodeBeat(data)
		if err != nil {
			return
		}
		again, err := b.encode()
		if err != nil {
			t.Fatal(err)
		}
		c, err := decodeBeat(again)
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if !reflect.DeepEqual(normal(b), normal(c)) {
			t.Fatalf("%+v became %+v", b, c)
		}
		m := newMembers(Node{Ref: Ref{ID: 1}, Role: RoleRouter}, second, 3*second, second)
		m.Tick(start)
		e := m.Beat(start, b)
		if e.Views != nil && e.Views.Of(b.Role).Version == 0 && b.State == Active {
			t.Fatalf("%+v made an empty view", b)
		}
	})
}

// normal makes what JSON does not tell apart equal.
func normal(b Beat) Beat {
	if len(b.Load) == 0 {
		b.Load = nil
	}
	return b
}
