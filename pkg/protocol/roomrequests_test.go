package protocol

import "testing"

func parseRoomMessage(data string) (RoomMessage, error) {
	m := RoomMessage{"old", "old"}
	err := m.Parse(data)
	return m, err
}

func parseJoinRoom(data string) (JoinRoom, error) {
	j := JoinRoom{"old", false}
	err := j.Parse(data)
	return j, err
}

func parseMemberChange(data string) (MemberChange, error) {
	m := MemberChange{"old", "old"}
	err := m.Parse(data)
	return m, err
}

func parseRoomInfo(data string) (RoomInfo, error) {
	r := RoomInfo{"old", "old", 5}
	err := r.Parse(data)
	return r, err
}

func TestRoomMessage(t *testing.T) {
	checkParse(t, parseRoomMessage, []parseTest[RoomMessage]{
		{`{"room":"lobby","payload":"x"}`, RoomMessage{"lobby", `"x"`}, nil},
		{`{"payload": { "a" :[1, 2] } ,"room":"\u0061"}`, RoomMessage{"a", `{ "a" :[1, 2] }`}, nil},
		{`{"room":"","payload":null}`, RoomMessage{"", `null`}, nil}, // pkg/topic says what a room's name is
		{``, RoomMessage{}, ErrRoomMissing},
		{`{"room":null,"payload":1}`, RoomMessage{}, ErrRoomMissing},
		{`{"room":5,"payload":1}`, RoomMessage{}, ErrRoomType},
		{`{"room":["r"],"payload":1}`, RoomMessage{}, ErrRoomType},
		{`{"room":"r"}`, RoomMessage{}, ErrPayloadMissing},
		{`{"room":5,"room":"r","payload":1,"payload":2}`, RoomMessage{"r", `2`}, nil},
		{`{"room":"r","room":null,"payload":1}`, RoomMessage{}, ErrRoomMissing},
	})
}

func TestJoinRoom(t *testing.T) {
	checkParse(t, parseJoinRoom, []parseTest[JoinRoom]{
		{`{"room":"lobby"}`, JoinRoom{"lobby", true}, nil},
		{`{"room":"lobby","create":null}`, JoinRoom{"lobby", true}, nil},
		{`{"room":"lobby","create":true}`, JoinRoom{"lobby", true}, nil},
		{`{"create":false,"room":"lobby"}`, JoinRoom{"lobby", false}, nil},
		{``, JoinRoom{}, ErrRoomMissing},
		{`{"create":true}`, JoinRoom{}, ErrRoomMissing},
		{`{"room":7}`, JoinRoom{}, ErrRoomType},
		{`{"room":"lobby","create":"false"}`, JoinRoom{}, ErrCreateType},
		{`{"room":"lobby","create":0}`, JoinRoom{}, ErrCreateType},
		{`{"room":7,"create":7,"room":"r","create":false}`, JoinRoom{"r", false}, nil},
	})
}

func TestParseRoom(t *testing.T) {
	checkParse(t, ParseRoom, []parseTest[string]{
		{`{"room":"lobby"}`, "lobby", nil},
		{`{"x":1,"room":"\u00e9"}`, "é", nil},
		{``, "", ErrRoomMissing},
		{`{"room":null}`, "", ErrRoomMissing},
		{`{"room":false}`, "", ErrRoomType},
		{`{"room":[]}`, "", ErrRoomType},
		{`{"room":1,"room":"r"}`, "r", nil},
	})
}

func TestMemberChange(t *testing.T) {
	checkParse(t, parseMemberChange, []parseTest[MemberChange]{
		{`{"room":"lobby","user":"bob"}`, MemberChange{"lobby", "bob"}, nil},
		{`{"user":"\"","room":"r"}`, MemberChange{"r", `"`}, nil},
		{``, MemberChange{}, ErrRoomMissing},
		{`{"user":"bob"}`, MemberChange{}, ErrRoomMissing},
		{`{"room":{},"user":"bob"}`, MemberChange{}, ErrRoomType},
		{`{"room":"lobby"}`, MemberChange{}, ErrUserMissing},
		{`{"room":"lobby","user":null}`, MemberChange{}, ErrUserMissing},
		{`{"room":"lobby","user":["bob"]}`, MemberChange{}, ErrUserType},
		{`{"room":1,"user":1,"user":"bob","room":"r"}`, MemberChange{"r", "bob"}, nil},
	})
}

func TestRoomInfo(t *testing.T) {
	checkParse(t, parseRoomInfo, []parseTest[RoomInfo]{
		{`{"room":"lobby"}`, RoomInfo{"lobby", "", 100}, nil},
		{`{"room":"lobby","after":null,"limit":null}`, RoomInfo{"lobby", "", 100}, nil},
		{`{"room":"lobby","after":"b\u006fb","limit":10}`, RoomInfo{"lobby", "bob", 10}, nil},
		{`{"room":"lobby","limit":1}`, RoomInfo{"lobby", "", 1}, nil},
		{`{"room":"lobby","limit":100}`, RoomInfo{"lobby", "", MaxMembers}, nil},
		{``, RoomInfo{}, ErrRoomMissing},
		{`{"room":1}`, RoomInfo{}, ErrRoomType},
		{`{"room":"lobby","after":1}`, RoomInfo{}, ErrAfterType},
		{`{"room":"lobby","after":{}}`, RoomInfo{}, ErrAfterType},
		{`{"room":"lobby","limit":101}`, RoomInfo{}, ErrLimit},
		{`{"room":"lobby","limit":0}`, RoomInfo{}, ErrLimit},
		{`{"room":"lobby","limit":-1}`, RoomInfo{}, ErrLimit},
		{`{"room":"lobby","limit":1.5}`, RoomInfo{}, ErrLimit},
		{`{"room":"lobby","limit":"10"}`, RoomInfo{}, ErrLimit},
		{`{"room":1,"after":1,"limit":0,"room":"r","after":"a","limit":3}`, RoomInfo{"r", "a", 3}, nil},
	})
}

func FuzzRoomRequests(f *testing.F) {
	fuzzData(f, []string{
		``, `{}`, `{"room":"r","payload":{"x":[1,2.5e3,null,"\u00e9"]}}`, `{"room":"r","create":true}`, `{"room":"r","create":0}`,
		`{"room":"\u0061","user":"bob"}`, `{"room":5,"user":null}`, `{"room":"r","after":"a","limit":10}`, `{"room":"r","after":5}`,
		`{"room":"r","limit":1e2}`, `{"room":"r","limit":101}`, `{"room":null,"room":"r","user":5,"create":false,"limit":null,"payload": null }`,
	}, func(t *testing.T, data string, want jsonMembers) {
		room, roomErr := want.text("room", ErrRoomMissing, ErrRoomType)
		got, gotErr := ParseRoom(data)
		same(t, "ParseRoom", got, gotErr, room, roomErr)

		message, err := RoomMessage{Room: room}, roomErr
		if err == nil {
			message.Payload, err = want.payload()
		}
		gotMessage, gotErr := parseRoomMessage(data)
		same(t, "RoomMessage", gotMessage, gotErr, message, err)

		join, err := JoinRoom{Room: room}, roomErr
		if err == nil {
			join.Create, err = want.boolean("create", true, ErrCreateType)
		}
		gotJoin, gotErr := parseJoinRoom(data)
		same(t, "JoinRoom", gotJoin, gotErr, join, err)

		change, err := MemberChange{Room: room}, roomErr
		if err == nil {
			change.User, err = want.text("user", ErrUserMissing, ErrUserType)
		}
		gotChange, gotErr := parseMemberChange(data)
		same(t, "MemberChange", gotChange, gotErr, change, err)

		info, err := RoomInfo{Room: room}, roomErr
		if err == nil {
			info.After, err = want.text("after", nil, ErrAfterType)
		}
		if err == nil {
			info.Limit, err = want.whole("limit", MaxMembers, MaxMembers, ErrLimit)
		}
		gotInfo, gotErr := parseRoomInfo(data)
		same(t, "RoomInfo", gotInfo, gotErr, info, err)
	})
}
