package protocol

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// parseTest is a message's data, and what is to be read of it.
type parseTest[T any] struct {
	data string
	want T
	err  error
}

// checkParse runs a table; what comes with an error does not count.
func checkParse[T any](t *testing.T, parse func(data string) (T, error), tests []parseTest[T]) {
	t.Helper()
	for _, tt := range tests {
		got, err := parse(tt.data)
		if !errors.Is(err, tt.err) || (err == nil && !reflect.DeepEqual(got, tt.want)) {
			t.Errorf("%.200s\ngot  %+v, %v\nwant %+v, %v", tt.data, got, err, tt.want, tt.err)
		}
	}
}

// What an error says of a bound is the bound.
func TestErrorsNameTheirBounds(t *testing.T) {
	for err, bound := range map[error]int{
		ErrCapacity: MaxCapacity, ErrRoomMetadata: MaxRoomMetadata, ErrMembersMany: MaxMembers, ErrLimit: MaxMembers,
		ErrMessageLong: MaxPresenceMessage, ErrPresenceMetadata: MaxPresenceMetadata, ErrUsersMany: MaxUsers,
		ErrOffset: MaxOffset, ErrEpoch: MaxEpoch, ErrHistoryLimit: MaxHistory,
	} {
		if !slices.Contains(strings.Fields(err.Error()), fmt.Sprint(bound)) {
			t.Errorf("%q does not name %d", err, bound)
		}
	}
}

func TestWhole(t *testing.T) {
	bad := errors.New("bad")
	for raw, want := range map[string]int{
		"": 7, "null": 7, "1": 1, "99": 99, "100": 100, "1e2": 100, "100.0": 100, "0.5E1": 5, "1000e-1": 100,
		"0": -1, "-0": -1, "-1": -1, "101": -1, "1.5": -1, "1e3": -1, "1e400": -1, "1e-400": -1, "9007199254740993": -1,
		"99999999999999999999999": -1, `"1"`: -1, "true": -1, "[]": -1, "{}": -1,
	} {
		got, err := whole(raw, 100, 7, bad)
		if want == -1 && !errors.Is(err, bad) || want != -1 && (err != nil || got != want) {
			t.Errorf("%s: %d, %v; want %d", raw, got, err, want)
		}
	}
}

// fuzzData feeds check with valid data of messages, as an Envelope hands it out, and with the
// members that encoding/json finds in it.
func fuzzData(f *testing.F, seeds []string, check func(t *testing.T, data string, want jsonMembers)) {
	f.Helper()
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data string) {
		if data != "" && (!gjson.Valid(data) || !utf8.ValidString(data) || data[0] != '{' || tooDeep([]byte(data))) {
			return
		}
		var want jsonMembers
		if data != "" {
			if err := json.Unmarshal([]byte(data), &want); err != nil {
				t.Fatalf("encoding/json: %v", err)
			}
		}
		check(t, data, want)
	})
}

// jsonMembers says by encoding/json what fields are.
type jsonMembers map[string]json.RawMessage

// field is a member's value; absent and null are nil.
func (m jsonMembers) field(name string) (v any, err error) {
	if m[name] == nil {
		return nil, nil
	}
	err = json.Unmarshal(m[name], &v)
	return v, err
}

func (m jsonMembers) text(name string, missing, kind error) (string, error) {
	v, err := m.field(name)
	s, ok := v.(string)
	switch {
	case v == nil && err == nil:
		return "", missing
	case !ok:
		return "", kind
	}
	return s, nil
}

func (m jsonMembers) payload() (string, error) {
	if m["payload"] == nil {
		return "", ErrPayloadMissing
	}
	return string(m["payload"]), nil
}

func (m jsonMembers) texts(name string, most int, kind, many error) ([]string, error) {
	v, err := m.field(name)
	values, ok := v.([]any)
	switch {
	case v == nil && err == nil:
		return nil, nil
	case !ok:
		return nil, kind
	}
	var list []string
	for i, v := range values {
		s, ok := v.(string)
		switch {
		case !ok:
			return nil, kind
		case i == most:
			return nil, many
		}
		list = append(list, s)
	}
	return list, nil
}

func (m jsonMembers) boolean(name string, otherwise bool, kind error) (bool, error) {
	v, err := m.field(name)
	is, ok := v.(bool)
	switch {
	case v == nil && err == nil:
		return otherwise, nil
	case !ok:
		return false, kind
	}
	return is, nil
}

func (m jsonMembers) whole(name string, most, otherwise int, kind error) (int, error) {
	v, err := m.field(name)
	f, ok := v.(float64)
	switch {
	case v == nil && err == nil:
		return otherwise, nil
	case !ok || f < 1 || f > float64(most) || f != math.Trunc(f):
		return 0, kind
	}
	return int(f), nil
}

func (m jsonMembers) object(name string, most int, kind, long error) (string, error) {
	raw := string(m[name])
	var fields jsonMembers
	switch {
	case m[name] == nil || raw == "null":
		return "", nil
	case json.Unmarshal(m[name], &fields) != nil:
		return "", kind
	case len(raw) > most:
		return "", long
	}
	return raw, nil
}

// same fails where a parser did not read what encoding/json did, or not with the same error.
func same[T any](t *testing.T, what string, got T, err error, want T, wantErr error) {
	t.Helper()
	if !errors.Is(err, wantErr) || (err == nil && !reflect.DeepEqual(got, want)) {
		t.Fatalf("%s\ngot  %+v, %v\nwant %+v, %v", what, got, err, want, wantErr)
	}
}
