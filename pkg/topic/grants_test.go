package topic

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestGrants(t *testing.T) {
	none := &Grants{Publish: []string{}, Subscribe: []string{}}
	some := &Grants{Publish: []string{"chat.>", "$svc.in"}, Subscribe: []string{"chat.>", "alerts.*", "$svc.*"}}
	tests := []struct {
		grants             *Grants
		topic              string
		publish, subscribe bool
	}{
		{nil, "a.b", true, true},
		{nil, "$sys.a", false, false},
		{nil, "$sys.>", false, false},
		{nil, ">", true, true},
		{nil, "*.x", true, true},
		{&Grants{}, "a.b", true, true},
		{&Grants{}, "$sys.a", false, false},
		{&Grants{Publish: []string{}}, "a", false, true},
		{&Grants{Subscribe: []string{}}, "a", true, false},
		{none, "a", false, false},
		{none, "$sys.a", false, false},
		{none, ">", false, false},
		{some, "chat.a.b", true, true},
		{some, "chat", false, false},
		{some, "alerts.fire", false, true},
		{some, "alerts.*", false, true},
		{some, "alerts.>", false, false},
		{some, "chat.*.x", true, true},
		{some, "*.x", false, false},
		{some, ">", false, false},
		{some, "$svc.in", true, true},
		{some, "$svc.out", false, true},
		{some, "$svc.*", false, true},
		{some, "$svc.>", false, false},
		{&Grants{Publish: []string{">"}, Subscribe: []string{">"}}, "$sys.a", false, false},
		// Two patterns may cover a subscription between them, but no one does.
		{&Grants{Subscribe: []string{"a", "*.>"}}, ">", true, false},
	}
	for _, tt := range tests {
		if got := tt.grants.CanPublish(tt.topic); got != tt.publish {
			t.Errorf("%+v: CanPublish(%q) = %v", tt.grants, tt.topic, got)
		}
		if got := tt.grants.CanSubscribe(tt.topic); got != tt.subscribe {
			t.Errorf("%+v: CanSubscribe(%q) = %v", tt.grants, tt.topic, got)
		}
	}
}

func TestGrantsValidate(t *testing.T) {
	tests := []struct {
		grants *Grants
		want   string
	}{
		{nil, ""},
		{&Grants{}, ""},
		{&Grants{Publish: []string{">"}, Subscribe: []string{"a.*", "$sys.>"}}, ""},
		{&Grants{Publish: []string{"a", "b..c"}}, `publish "b..c": has an empty token`},
		{&Grants{Subscribe: []string{"a.>.b"}}, `subscribe "a.>.b": has the wildcard > before its last token`},
		{&Grants{Subscribe: []string{"a\nb"}}, `subscribe "a\nb": has white space`},
		{&Grants{Publish: []string{strings.Repeat("é", 200)}},
			`publish "` + strings.Repeat("é", 30) + `"…: is longer than 255 bytes`},
	}
	for _, tt := range tests {
		got := ""
		if err := tt.grants.Validate(); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%+v: Validate() = %q, want %q", tt.grants, got, tt.want)
		}
	}
	if err := (&Grants{Publish: []string{"a..b"}}).Validate(); !errors.Is(err, ErrEmptyToken) {
		t.Errorf("Validate() = %v, want it to be ErrEmptyToken", err)
	}
}

func TestGrantsJSON(t *testing.T) {
	tests := []struct {
		json string
		want *Grants // nil: refused
	}{
		{`{}`, &Grants{}},
		{`{"publish":[]}`, &Grants{Publish: []string{}}},
		{`{"publish":["a.*"],"subscribe":["b","c.*"]}`, &Grants{Publish: []string{"a.*"}, Subscribe: []string{"b", "c.*"}}},
		{`{"publish":null}`, nil},
		{`{"publish":[null]}`, nil},
		{`{"publish":"a"}`, nil},
		{`{"publish":[1]}`, nil},
		{`{"publish":{}}`, nil},
		{`{"subscribe":["a"],"Publish":[]}`, nil},
		{`{"subscribed":["a"]}`, nil},
		{`[]`, nil},
		{`"a"`, nil},
		{`null`, nil},
		{`{"publish":["a"]`, nil},
	}
	for _, tt := range tests {
		before := Grants{Publish: []string{"before"}}
		got := before
		err := json.Unmarshal([]byte(tt.json), &got)
		if tt.want == nil {
			if err == nil || !reflect.DeepEqual(got, before) {
				t.Errorf("%s: read as %+v, error %v", tt.json, got, err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(&got, tt.want) {
			t.Errorf("%s: read as %+v, error %v", tt.json, got, err)
			continue
		}
		// A list that is absent must stay so, and an empty one must not become so.
		if out, err := json.Marshal(&got); err != nil || string(out) != tt.json {
			t.Errorf("%s: written as %s, error %v", tt.json, out, err)
		}
	}
}
