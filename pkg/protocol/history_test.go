package protocol

import (
	"testing"
)

func parseHistory(data string) (History, error) {
	h := History{"old", "old", &Position{}, &Position{}, 5, true}
	err := h.Parse(data)
	return h, err
}

func TestHistory(t *testing.T) {
	checkParse(t, parseHistory, []parseTest[History]{
		{`{"topic":"a.b"}`, History{Topic: "a.b", Limit: 100}, nil},
		{`{"room":"\u0072"}`, History{Room: "r", Limit: 100}, nil},
		{`{"topic":"a","room":null,"since":null,"until":null,"limit":null,"reverse":null}`, History{Topic: "a", Limit: 100}, nil},
		{`{"topic":"","room":"r"}`, History{Room: "r", Limit: 100}, nil},
		{`{"limit":1000,"reverse":true,"since":{"offset":0,"epoch":"e"},"until":{"epoch":"f","offset":9},"topic":"a"}`,
			History{"a", "", &Position{0, "e"}, &Position{9, "f"}, MaxHistory, true}, nil},
		{`{"topic":"a","limit":1,"reverse":false}`, History{Topic: "a", Limit: 1}, nil},
		{``, History{}, ErrHistoryOfNone},
		{`{}`, History{}, ErrHistoryOfNone},
		{`{"topic":""}`, History{}, ErrHistoryOfNone},
		{`{"room":""}`, History{}, ErrHistoryOfNone},
		{`{"topic":"a","room":"r"}`, History{}, ErrHistoryOfBoth},
		{`{"topic":5}`, History{}, ErrTopicType},
		{`{"topic":"a","room":5}`, History{}, ErrRoomType},
		{`{"topic":"a","since":7}`, History{}, ErrPositionType},
		{`{"topic":"a","since":{}}`, History{}, ErrOffsetMissing},
		{`{"topic":"a","since":{"offset":1.5,"epoch":"e"}}`, History{}, ErrOffset},
		{`{"topic":"a","until":{"offset":1}}`, History{}, ErrEpochMissing},
		{`{"topic":"a","until":{"offset":1,"epoch":1}}`, History{}, ErrEpoch},
		{`{"topic":"a","limit":0}`, History{}, ErrHistoryLimit},
		{`{"topic":"a","limit":1001}`, History{}, ErrHistoryLimit},
		{`{"topic":"a","limit":"10"}`, History{}, ErrHistoryLimit},
		{`{"topic":"a","reverse":1}`, History{}, ErrReverseType},
		// The last counts.
		{`{"topic":5,"since":5,"until":5,"limit":5.5,"reverse":5,"topic":"a","since":{"offset":1,"epoch":"e"},"until":null,"limit":2,"reverse":true}`,
			History{"a", "", &Position{1, "e"}, nil, 2, true}, nil},
	})
}

// An error names the field that it is about.
func TestHistoryErrors(t *testing.T) {
	for data, want := range map[string]string{
		`{"topic":"a","since":[]}`:                        `since: not an object`,
		`{"topic":"a","since":{"offset":1}}`:              `since: epoch: missing`,
		`{"topic":"a","until":{"offset":-1,"epoch":"e"}}`: `until: offset: not a whole number from 0 to 9007199254740992`,
	} {
		if _, err := parseHistory(data); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", data, err, want)
		}
	}
}

func FuzzHistory(f *testing.F) {
	fuzzData(f, []string{
		``, `{}`, `{"topic":"a"}`, `{"room":"r","limit":1000,"reverse":true}`, `{"topic":"a","room":"r"}`,
		`{"topic":"\u0061","since":{"offset":7,"epoch":"e"},"until":{"offset":9007199254740992,"epoch":"\u0041"}}`,
		`{"topic":"a","since":{"offset":9007199254740993,"epoch":"e"}}`, `{"topic":"a","since":{"offset":1e400,"epoch":"e"}}`,
		`{"topic":"a","since":{"offset":-0.0,"epoch":5}}`, `{"topic":"a","limit":1001,"reverse":0}`, `{"topic":5,"topic":"a","since":5,"since":null}`,
	}, func(t *testing.T, data string, want jsonMembers) {
		got, gotErr := parseHistory(data)
		h, err := wantHistory(want)
		same(t, data, got, sentinel(gotErr), h, err)
	})
}

func wantHistory(want jsonMembers) (h History, err error) {
	if h.Topic, err = want.text("topic", nil, ErrTopicType); err != nil {
		return h, err
	}
	if h.Room, err = want.text("room", nil, ErrRoomType); err != nil {
		return h, err
	}
	if (h.Topic == "") == (h.Room == "") {
		if h.Topic == "" {
			return h, ErrHistoryOfNone
		}
		return h, ErrHistoryOfBoth
	}
	for name, p := range map[string]**Position{"since": &h.Since, "until": &h.Until} {
		if jsonRaw(want[name]) == "" {
			continue
		}
		read, readErr := wantPosition(want[name])
		if *p = &read; readErr != nil && (err == nil || name == "since") {
			err = readErr
		}
	}
	if err != nil {
		return h, err
	}
	if h.Limit, err = want.whole("limit", MaxHistory, DefaultHistory, ErrHistoryLimit); err != nil {
		return h, err
	}
	h.Reverse, err = want.boolean("reverse", false, ErrReverseType)
	return h, err
}
