package protocol

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestBroadcast(t *testing.T) {
	tests := []struct {
		data string
		want Broadcast
		err  error
	}{
		{`{"topic":"a.b","payload":"x"}`, Broadcast{"a.b", `"x"`, false}, nil},
		{`{"payload": { "a" :[1, 2] } ,"topic":"t","echo":false}`, Broadcast{"t", `{ "a" :[1, 2] }`, true}, nil},
		{`{"topic":"t","payload":null,"echo":true}`, Broadcast{"t", `null`, false}, nil},
		{`{"topic":"t","payload":-0.50E1}`, Broadcast{"t", `-0.50E1`, false}, nil},
		{`{"topic":"t","payload":"\u00e9\/","echo":null}`, Broadcast{"t", `"\u00e9\/"`, false}, nil},
		{`{"topic":"\u0061\"","payload":1,"x":{"topic":5}}`, Broadcast{`a"`, `1`, false}, nil},
		{`{"topic":"","payload":1}`, Broadcast{"", `1`, false}, nil}, // pkg/topic says what a topic is
		{``, Broadcast{}, ErrTopicMissing},
		{`{}`, Broadcast{}, ErrTopicMissing},
		{`{"topic":null,"payload":1}`, Broadcast{}, ErrTopicMissing},
		{`{"topic":5,"payload":1}`, Broadcast{}, ErrTopicType},
		{`{"topic":["a"],"payload":1}`, Broadcast{}, ErrTopicType},
		{`{"topic":"t"}`, Broadcast{}, ErrPayloadMissing},
		{`{"topic":"t","Payload":1}`, Broadcast{}, ErrPayloadMissing},
		{`{"topic":"t","payload":1,"echo":"false"}`, Broadcast{}, ErrEchoType},
		{`{"topic":"t","payload":1,"echo":0}`, Broadcast{}, ErrEchoType},
		// The last counts.
		{`{"topic":5,"topic":"t","payload":1,"payload":2,"echo":"x","echo":false}`, Broadcast{"t", `2`, true}, nil},
		{`{"topic":"t","topic":null,"payload":1}`, Broadcast{}, ErrTopicMissing},
		{`{"topic":"t","payload":1,"echo":false,"echo":null}`, Broadcast{"t", `1`, false}, nil},
	}
	for _, tt := range tests {
		b := Broadcast{"old", "old", true}
		err := b.Parse(tt.data)
		if !errors.Is(err, tt.err) || (err == nil && b != tt.want) {
			t.Errorf("%s\ngot  %+v, %v\nwant %+v, %v", tt.data, b, err, tt.want, tt.err)
		}
	}
}

func TestParseTopics(t *testing.T) {
	many := `{"topics":["t"` + strings.Repeat(`,"t"`, MaxTopics-1) + `]}`
	tests := []struct {
		data string
		want []string
		err  error
	}{
		{`{"topics":["a"]}`, []string{"a"}, nil},
		{`{"topics":[ "a.*" , "\u0062" , "" ]}`, []string{"a.*", "b", ""}, nil},
		{`{"topics":5,"topics":["a","a"]}`, []string{"a", "a"}, nil},
		{many, slices.Repeat([]string{"t"}, MaxTopics), nil},
		{strings.Replace(many, `"t"`, `"t","t"`, 1), nil, ErrTopicsMany},
		{``, nil, ErrTopicsMissing},
		{`{}`, nil, ErrTopicsMissing},
		{`{"topics":null}`, nil, ErrTopicsMissing},
		{`{"topics":[]}`, nil, ErrTopicsMissing},
		{`{"topics":["a"],"topics":null}`, nil, ErrTopicsMissing},
		{`{"topics":"a"}`, nil, ErrTopicsType},
		{`{"topics":{"0":"a"}}`, nil, ErrTopicsType},
		{`{"topics":["a",5]}`, nil, ErrTopicsType},
		{`{"topics":[null]}`, nil, ErrTopicsType},
		{`{"topics":[["a"]]}`, nil, ErrTopicsType},
	}
	for _, tt := range tests {
		got, err := ParseTopics(tt.data)
		if !errors.Is(err, tt.err) || (err == nil && !slices.Equal(got, tt.want)) {
			t.Errorf("%.60s\ngot  %q, %v\nwant %q, %v", tt.data, got, err, tt.want, tt.err)
		}
	}
	if want := fmt.Sprint(MaxTopics); !strings.Contains(ErrTopicsMany.Error(), want) {
		t.Errorf("%q does not name %s", ErrTopicsMany, want)
	}
}

func TestParsePing(t *testing.T) {
	tests := []struct {
		data, want string
		err        error
	}{
		{``, "", nil},
		{`{}`, "", nil},
		{`{"timestamp":null}`, "", nil},
		{`{"timestamp":1763856000000.25}`, "1763856000000.25", nil},
		{`{"timestamp":-1}`, "-1", nil},
		{`{"timestamp":"1"}`, "", ErrPingTimestamp},
		{`{"timestamp":false}`, "", ErrPingTimestamp},
		{`{"timestamp":{}}`, "", ErrPingTimestamp},
		{`{"timestamp":"1","timestamp":2}`, "2", nil},
	}
	for _, tt := range tests {
		if got, err := ParsePing(tt.data); !errors.Is(err, tt.err) || got != tt.want {
			t.Errorf("%s: got %q, %v; want %q, %v", tt.data, got, err, tt.want, tt.err)
		}
	}
}
