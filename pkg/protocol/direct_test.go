package protocol

import "testing"

func parseDirect(data string) (DirectMessage, error) {
	d := DirectMessage{"old", "old"}
	err := d.Parse(data)
	return d, err
}

func TestDirectMessage(t *testing.T) {
	checkParse(t, parseDirect, []parseTest[DirectMessage]{
		{`{"target_user":"bob","payload":"x"}`, DirectMessage{"bob", `"x"`}, nil},
		{`{"payload": { "a" :[1, 2] } ,"target_user":"bob","x":{"target_user":5}}`, DirectMessage{"bob", `{ "a" :[1, 2] }`}, nil},
		{`{"target_user":"\u0062\"","payload":null}`, DirectMessage{`b"`, `null`}, nil},
		{`{"target_user":"","payload":-0.50E1}`, DirectMessage{"", `-0.50E1`}, nil}, // pkg/auth says what a user is
		{``, DirectMessage{}, ErrTargetMissing},
		{`{}`, DirectMessage{}, ErrTargetMissing},
		{`{"target":"bob","payload":1}`, DirectMessage{}, ErrTargetMissing},
		{`{"target_user":null,"payload":1}`, DirectMessage{}, ErrTargetMissing},
		{`{"target_user":5,"payload":1}`, DirectMessage{}, ErrTargetType},
		{`{"target_user":["bob"],"payload":1}`, DirectMessage{}, ErrTargetType},
		{`{"target_user":true}`, DirectMessage{}, ErrTargetType},
		{`{"target_user":"bob"}`, DirectMessage{}, ErrPayloadMissing},
		{`{"target_user":"bob","Payload":1}`, DirectMessage{}, ErrPayloadMissing},
		// The last counts.
		{`{"target_user":5,"target_user":"bob","payload":1,"payload":2}`, DirectMessage{"bob", `2`}, nil},
		{`{"target_user":"bob","target_user":null,"payload":1}`, DirectMessage{}, ErrTargetMissing},
	})
}

func FuzzDirectMessage(f *testing.F) {
	fuzzData(f, []string{
		``, `{}`, `{"target_user":"bob","payload":{"x":[1,2.5e3,null,"\u00e9"]}}`, `{"payload": [ ] ,"target_user":"\ud83d\ude00"}`,
		`{"target_user":5,"target_user":"b","payload":1,"payload":2}`, `{"target_user":null,"payload":null}`,
		`{"t\u0061rget_user":"\\\"","payload":"\\\""}`,
	}, func(t *testing.T, data string, want jsonMembers) {
		var d DirectMessage
		var err error
		if d.Target, err = want.text("target_user", ErrTargetMissing, ErrTargetType); err == nil {
			d.Payload, err = want.payload()
		}
		got, gotErr := parseDirect(data)
		same(t, data, got, gotErr, d, err)
	})
}
