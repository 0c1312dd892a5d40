package protocol

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func parseSubscribe(data string) (Subscribe, error) {
	s := Subscribe{[]string{"old"}, map[string]Position{"old": {}}}
	err := s.Parse(data)
	return s, err
}

func TestSubscribe(t *testing.T) {
	many := `"t"` + strings.Repeat(`,"t"`, MaxTopics-1)
	ab := []string{"a", "b"}
	checkParse(t, parseSubscribe, []parseTest[Subscribe]{
		{`{"topics":["a.*","\u0062","a.*",""]}`, Subscribe{[]string{"a.*", "b", "a.*", ""}, nil}, nil},
		{`{"topics":[` + many + `]}`, Subscribe{slices.Repeat([]string{"t"}, MaxTopics), nil}, nil},
		{`{"topics":["a","b"],"recover":null}`, Subscribe{ab, nil}, nil},
		{`{"topics":["a","b"],"recover":{ }}`, Subscribe{ab, nil}, nil},
		{`{"topics":["a","b"],"recover":{"a":null}}`, Subscribe{ab, nil}, nil},
		{`{"topics":["a","b"],"recover":{"b":{"offset":7,"epoch":"e"}}}`, Subscribe{ab, map[string]Position{"b": {7, "e"}}}, nil},
		{`{"recover":{"\u0062":{"offset":7,"epoch":"e"},"a":{"epoch":"","offset":0}},"topics":["a","b"]}`,
			Subscribe{ab, map[string]Position{"a": {0, ""}, "b": {7, "e"}}}, nil},
		{`{"topics":["b.>"],"recover":{"b.>":{"offset":7,"epoch":"e"}}}`, Subscribe{[]string{"b.>"}, map[string]Position{"b.>": {7, "e"}}}, nil},
		{`{"topics":["a","a"],"recover":{"a":{"offset":7,"epoch":"e"}}}`, Subscribe{[]string{"a", "a"}, map[string]Position{"a": {7, "e"}}}, nil},
		{``, Subscribe{}, ErrTopicsMissing},
		{`{"topics":[]}`, Subscribe{}, ErrTopicsMissing},
		{`{"recover":{"a":{"offset":7,"epoch":"e"}}}`, Subscribe{}, ErrTopicsMissing},
		{`{"topics":"a"}`, Subscribe{}, ErrTopicsType},
		{`{"topics":["a",5]}`, Subscribe{}, ErrTopicsType},
		{`{"topics":[` + many + `,"t"]}`, Subscribe{}, ErrTopicsMany},
		{`{"topics":["a"],"recover":[]}`, Subscribe{}, ErrRecoverType},
		{`{"topics":["a"],"recover":"a"}`, Subscribe{}, ErrRecoverType},
		{`{"topics":["a"],"recover":false}`, Subscribe{}, ErrRecoverType},
		{`{"topics":["a"],"recover":{"a.b":{"offset":7,"epoch":"e"}}}`, Subscribe{}, ErrRecoverTopic},
		{`{"topics":["a"],"recover":{"b":null}}`, Subscribe{}, ErrRecoverTopic},
		{`{"topics":["a"],"recover":{"":{"offset":7,"epoch":"e"}}}`, Subscribe{}, ErrRecoverTopic},
		{`{"topics":["a"],"recover":{"a":7}}`, Subscribe{}, ErrPositionType},
		{`{"topics":["a"],"recover":{"a":{"epoch":"e"}}}`, Subscribe{}, ErrOffsetMissing},
		{`{"topics":["a"],"recover":{"a":{"offset":-1,"epoch":"e"}}}`, Subscribe{}, ErrOffset},
		{`{"topics":["a"],"recover":{"a":{"offset":7}}}`, Subscribe{}, ErrEpochMissing},
		{`{"topics":["a"],"recover":{"a":{"offset":7,"epoch":{}}}}`, Subscribe{}, ErrEpoch},
		// The last counts.
		{`{"recover":5,"topics":5,"topics":["a"],"recover":{"a":5,"a":{"offset":7,"epoch":"e"}}}`,
			Subscribe{[]string{"a"}, map[string]Position{"a": {7, "e"}}}, nil},
		{`{"topics":["a"],"recover":{"a":{"offset":7,"epoch":"e"},"a":null}}`, Subscribe{[]string{"a"}, nil}, nil},
		{`{"topics":["a"],"recover":{"x":1},"recover":null}`, Subscribe{[]string{"a"}, nil}, nil},
	})
}

// An error names the topic whose position it is.
func TestRecoverErrors(t *testing.T) {
	for data, want := range map[string]string{
		`{"topics":["a"],"recover":{"x":{}}}`:                                `recover: "x": not among topics`,
		`{"topics":["a","b"],"recover":{"b":{"offset":1},"a":{}}}`:           `recover: "a": offset: missing`,
		`{"topics":["a"],"recover":{"a":[]}}`:                                `recover: "a": not an object`,
		`{"topics":["a"],"recover":{"` + strings.Repeat("x", 1e4) + `":{}}}`: `recover: "` + strings.Repeat("x", 64) + `": not among topics`,
	} {
		if _, err := parseSubscribe(data); err == nil || err.Error() != want {
			t.Errorf("%.80s: %v, want %s", data, err, want)
		}
	}
}

func FuzzSubscribe(f *testing.F) {
	fuzzData(f, []string{
		``, `{}`, `{"topics":["a","b.*","a"]}`, `{"topics":["a","\u0062"],"recover":{"b":{"offset":7,"epoch":"e"},"a":null}}`,
		`{"topics":["a"],"recover":{"a":5,"a":{"offset":1e1,"epoch":"\u0041"}}}`, `{"topics":["a"],"recover":{"x":1}}`,
		`{"topics":["a"],"recover":[]}`, `{"topics":["a"],"recover":{"a":{"offset":"7","epoch":5}}}`, `{"topics":["\ud800"],"recover":{"\ud800":{}}}`,
	}, func(t *testing.T, data string, want jsonMembers) {
		got, gotErr := parseSubscribe(data)
		s, err := wantSubscribe(want)
		same(t, data, got, sentinel(gotErr), s, err)
	})
}

func wantSubscribe(want jsonMembers) (s Subscribe, err error) {
	if s.Topics, err = want.texts("topics", MaxTopics, ErrTopicsType, ErrTopicsMany); err == nil && len(s.Topics) == 0 {
		err = ErrTopicsMissing
	}
	if err != nil || jsonRaw(want["recover"]) == "" {
		return s, err
	}
	var list map[string]json.RawMessage
	if want["recover"][0] != '{' {
		return s, ErrRecoverType
	}
	if err := json.Unmarshal(want["recover"], &list); err != nil {
		return s, err
	}
	for name := range list {
		if !slices.Contains(s.Topics, name) {
			return s, ErrRecoverTopic
		}
	}
	for _, name := range s.Topics {
		if jsonRaw(list[name]) == "" {
			continue
		}
		p, err := wantPosition(list[name])
		if err != nil {
			return s, err
		}
		if s.Recover == nil {
			s.Recover = make(map[string]Position)
		}
		s.Recover[name] = p
	}
	return s, nil
}

// Without recover, a Subscribe costs no more than its list of topics.
func TestSubscribeAllocations(t *testing.T) {
	for _, data := range []string{`{"topics":["a"]}`, `{"topics":["a"],"recover":null}`, `{"topics":["a"],"recover":{}}`} {
		var s Subscribe
		if n := testing.AllocsPerRun(200, func() {
			if err := s.Parse(data); err != nil {
				t.Fatal(err)
			}
		}); n > 1 {
			t.Errorf("%v allocations to read %s", n, data)
		}
	}
}
