package protocol

import (
	"fmt"
	"strings"
	"testing"
)

func parseCreateRoom(data string) (CreateRoom, error) {
	c := CreateRoom{"old", true, true, 5, "{}", []string{"old"}}
	err := c.Parse(data)
	return c, err
}

// objectOf is a raw object of n bytes.
func objectOf(n int) string { return `{"a":"` + strings.Repeat("x", n-8) + `"}` }

func TestCreateRoom(t *testing.T) {
	var many []string
	for i := range MaxMembers {
		many = append(many, fmt.Sprintf("u%d", i))
	}
	list := `["` + strings.Join(many, `","`) + `"]`
	checkParse(t, parseCreateRoom, []parseTest[CreateRoom]{
		{`{"room":"lobby"}`, CreateRoom{Room: "lobby"}, nil},
		{`{"room":"\u0061\"","visibility":"private","durable":true,"capacity":12,"metadata":{ "a" : 1 },"members":["bob","\u0061l"]}`,
			CreateRoom{`a"`, true, true, 12, `{ "a" : 1 }`, []string{"bob", "al"}}, nil},
		{`{"room":"r","visibility":"public","durable":false,"metadata":{},"members":[]}`, CreateRoom{Room: "r", Metadata: `{}`}, nil},
		{`{"room":"r","visibility":null,"durable":null,"capacity":null,"metadata":null,"members":null}`, CreateRoom{Room: "r"}, nil},
		{`{"room":"r","visibility":"priv\u0061te"}`, CreateRoom{Room: "r", Private: true}, nil},
		{`{"room":"r","capacity":1}`, CreateRoom{Room: "r", Capacity: 1}, nil},
		{`{"room":"r","capacity":1e6}`, CreateRoom{Room: "r", Capacity: MaxCapacity}, nil},
		{`{"room":"r","members":["a","b","a","\u0062",""]}`, CreateRoom{Room: "r", Members: []string{"a", "b", ""}}, nil},
		{`{"room":"r","members":` + list + `}`, CreateRoom{Room: "r", Members: many}, nil},
		{`{"room":"r","metadata":` + objectOf(MaxRoomMetadata) + `}`, CreateRoom{Room: "r", Metadata: objectOf(MaxRoomMetadata)}, nil},

		{``, CreateRoom{}, ErrRoomMissing},
		{`{"room":null}`, CreateRoom{}, ErrRoomMissing},
		{`{"room":5}`, CreateRoom{}, ErrRoomType},
		{`{"room":{"room":"r"}}`, CreateRoom{}, ErrRoomType},
		{`{"room":"r","visibility":"secret"}`, CreateRoom{}, ErrVisibility},
		{`{"room":"r","visibility":"Private"}`, CreateRoom{}, ErrVisibility},
		{`{"room":"r","visibility":""}`, CreateRoom{}, ErrVisibility},
		{`{"room":"r","visibility":true}`, CreateRoom{}, ErrVisibility},
		{`{"room":"r","durable":"true"}`, CreateRoom{}, ErrDurableType},
		{`{"room":"r","durable":1}`, CreateRoom{}, ErrDurableType},
		{`{"room":"r","capacity":0}`, CreateRoom{}, ErrCapacity},
		{`{"room":"r","capacity":-5}`, CreateRoom{}, ErrCapacity},
		{`{"room":"r","capacity":2.5}`, CreateRoom{}, ErrCapacity},
		{`{"room":"r","capacity":1000001}`, CreateRoom{}, ErrCapacity},
		{`{"room":"r","capacity":"12"}`, CreateRoom{}, ErrCapacity},
		{`{"room":"r","metadata":[]}`, CreateRoom{}, ErrMetadataType},
		{`{"room":"r","metadata":"{}"}`, CreateRoom{}, ErrMetadataType},
		{`{"room":"r","metadata":` + objectOf(MaxRoomMetadata+1) + `}`, CreateRoom{}, ErrRoomMetadata},
		{`{"room":"r","members":"bob"}`, CreateRoom{}, ErrMembersType},
		{`{"room":"r","members":{"0":"bob"}}`, CreateRoom{}, ErrMembersType},
		{`{"room":"r","members":["bob",5]}`, CreateRoom{}, ErrMembersType},
		{`{"room":"r","members":[null]}`, CreateRoom{}, ErrMembersType},
		{`{"room":"r","members":[["bob"]]}`, CreateRoom{}, ErrMembersType},
		{`{"room":"r","members":` + strings.Replace(list, `"u0"`, `"u0","u0"`, 1) + `}`, CreateRoom{}, ErrMembersMany}, // named, not different
		// The last counts.
		{`{"room":5,"visibility":5,"durable":5,"capacity":0,"metadata":5,"members":5,` +
			`"room":"r","visibility":"private","durable":true,"capacity":2,"metadata":{},"members":["a"]}`,
			CreateRoom{"r", true, true, 2, `{}`, []string{"a"}}, nil},
	})
}

func FuzzCreateRoom(f *testing.F) {
	fuzzData(f, []string{
		``, `{}`, `{"room":"r","visibility":"private","durable":true,"capacity":12,"metadata":{ "a" : [{}] },"members":["bob","\u0061l","bob"]}`,
		`{"room":"r","visibility":"public","durable":false,"capacity":1.50e1,"metadata":{},"members":[]}`,
		`{"room":null,"room":"r","visibility":null,"durable":null,"capacity":null,"metadata":null,"members":null}`,
		`{"room":"r","members":[` + strings.Repeat(`"a",`, MaxMembers) + `"a"]}`, `{"room":"r","metadata":` + objectOf(MaxRoomMetadata+1) + `}`,
		`{"room":"r","capacity":1000001}`, `{"room":"r","capacity":"1"}`, `{"room":"r","members":[5]}`, `{"room":"r","capacity":1e999}`,
	}, func(t *testing.T, data string, want jsonMembers) {
		got, gotErr := parseCreateRoom(data)
		c, err := wantCreateRoom(want)
		same(t, data, got, gotErr, c, err)
	})
}

func wantCreateRoom(want jsonMembers) (c CreateRoom, err error) {
	if c.Room, err = want.text("room", ErrRoomMissing, ErrRoomType); err != nil {
		return c, err
	}
	visibility, err := want.text("visibility", nil, ErrVisibility)
	switch {
	case err != nil:
		return c, err
	case visibility == "private":
		c.Private = true
	case visibility != "public" && want["visibility"] != nil && string(want["visibility"]) != "null":
		return c, ErrVisibility
	}
	if c.Durable, err = want.boolean("durable", false, ErrDurableType); err != nil {
		return c, err
	}
	if c.Capacity, err = want.whole("capacity", MaxCapacity, 0, ErrCapacity); err != nil {
		return c, err
	}
	if c.Metadata, err = want.object("metadata", MaxRoomMetadata, ErrMetadataType, ErrRoomMetadata); err != nil {
		return c, err
	}
	users, err := want.texts("members", MaxMembers, ErrMembersType, ErrMembersMany)
	seen := map[string]bool{}
	for _, user := range users {
		if !seen[user] {
			c.Members = append(c.Members, user)
		}
		seen[user] = true
	}
	return c, err
}
