package protocol

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestPosition(t *testing.T) {
	long := strings.Repeat("e", MaxEpoch)
	checkParse(t, position, []parseTest[Position]{
		{`{"offset":7,"epoch":"k2"}`, Position{7, "k2"}, nil},
		{`{ "epoch" : "\u0041" , "x":1, "offset" : 0 }`, Position{0, "A"}, nil},
		{`{"offset":9007199254740992,"epoch":"` + long + `"}`, Position{MaxOffset, long}, nil},
		{`{"offset":1e2,"epoch":""}`, Position{100, ""}, nil}, // the owner says what an epoch is
		{`{"offset":12.50E1,"epoch":"e"}`, Position{125, "e"}, nil},
		{`{"offset":-0,"epoch":"e"}`, Position{0, "e"}, nil},
		{`[]`, Position{}, ErrPositionType},
		{`"7"`, Position{}, ErrPositionType},
		{`7`, Position{}, ErrPositionType},
		{`false`, Position{}, ErrPositionType},
		{`{}`, Position{}, ErrOffsetMissing},
		{`{"epoch":"e"}`, Position{}, ErrOffsetMissing},
		{`{"offset":null,"epoch":"e"}`, Position{}, ErrOffsetMissing},
		{`{"offset":"7","epoch":"e"}`, Position{}, ErrOffset},
		{`{"offset":-1,"epoch":"e"}`, Position{}, ErrOffset},
		{`{"offset":1.5,"epoch":"e"}`, Position{}, ErrOffset},
		{`{"offset":9007199254740993,"epoch":"e"}`, Position{}, ErrOffset},
		{`{"offset":18446744073709551616,"epoch":"e"}`, Position{}, ErrOffset},
		{`{"offset":1e400,"epoch":"e"}`, Position{}, ErrOffset},
		{`{"offset":true,"epoch":"e"}`, Position{}, ErrOffset},
		{`{"offset":7}`, Position{}, ErrEpochMissing},
		{`{"offset":7,"epoch":null}`, Position{}, ErrEpochMissing},
		{`{"offset":7,"epoch":7}`, Position{}, ErrEpoch},
		{`{"offset":7,"epoch":"` + long + `e"}`, Position{}, ErrEpoch},
		// The last counts.
		{`{"offset":"x","epoch":5,"offset":7,"epoch":"e"}`, Position{7, "e"}, nil},
		{`{"offset":7,"epoch":"e","offset":null}`, Position{}, ErrOffsetMissing},
	})
}

// What a position is written as is what clients give back.
func TestPositionJSON(t *testing.T) {
	p := Position{Offset: 1<<53 - 1, Epoch: "1a2b3c4d5e6f"}
	got, err := json.Marshal(p)
	if want := `{"offset":9007199254740991,"epoch":"1a2b3c4d5e6f"}`; err != nil || string(got) != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
	if back, err := position(string(got)); err != nil || back != p {
		t.Errorf("%s is read as %+v, %v", got, back, err)
	}
	got, err = json.Marshal(map[string]TopicPosition{"a": {p.Offset, p.Epoch, false}})
	if want := `{"a":{"offset":9007199254740991,"epoch":"1a2b3c4d5e6f","recovered":false}}`; err != nil || string(got) != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
}

// wantPosition says by encoding/json what a position is.
func wantPosition(raw json.RawMessage) (p Position, err error) {
	var m jsonMembers
	if raw[0] != '{' {
		return p, ErrPositionType
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return p, err
	}
	v, err := m.field("offset")
	f, ok := v.(float64)
	if v == nil && err == nil {
		return p, ErrOffsetMissing
	}
	if !ok || f < 0 || f > MaxOffset || f != float64(uint64(f)) || string(m["offset"]) == "9007199254740993" {
		return p, ErrOffset
	}
	p.Offset = uint64(f)
	p.Epoch, err = m.text("epoch", ErrEpochMissing, ErrEpoch)
	if err == nil && len(p.Epoch) > MaxEpoch {
		err = ErrEpoch
	}
	return p, err
}

// sentinel is the one of a field's errors that err is, or err itself.
func sentinel(err error) error {
	for _, s := range []error{ErrPositionType, ErrOffsetMissing, ErrOffset, ErrEpochMissing, ErrEpoch, ErrRecoverTopic} {
		if errors.Is(err, s) {
			return s
		}
	}
	return err
}
