package protocol

import (
	"slices"
	"strings"
	"testing"
)

func parseSetPresence(data string) (SetPresence, error) {
	s := SetPresence{"old", "old", "old"}
	err := s.Parse(data)
	return s, err
}

func TestSetPresence(t *testing.T) {
	long := strings.Repeat("é", MaxPresenceMessage/2)
	checkParse(t, parseSetPresence, []parseTest[SetPresence]{
		{`{"status":"online"}`, SetPresence{Status: StatusOnline}, nil},
		{`{"status":"away","message":"at lunch","metadata":{"until":[13] }}`, SetPresence{StatusAway, "at lunch", `{"until":[13] }`}, nil},
		{`{"status":"b\u0075sy","message":"\u00e9","metadata":{}}`, SetPresence{StatusBusy, "é", `{}`}, nil},
		{`{"status":"invisible","message":null,"metadata":null}`, SetPresence{Status: StatusInvisible}, nil},
		{`{"status":"online","message":""}`, SetPresence{Status: StatusOnline}, nil},
		{`{"status":"online","message":"` + long + `"}`, SetPresence{Status: StatusOnline, Message: long}, nil},
		{`{"status":"online","message":"` + strings.Repeat(`\u0061`, MaxPresenceMessage) + `"}`,
			SetPresence{Status: StatusOnline, Message: strings.Repeat("a", MaxPresenceMessage)}, nil},
		{`{"status":"online","metadata":` + objectOf(MaxPresenceMetadata) + `}`,
			SetPresence{Status: StatusOnline, Metadata: objectOf(MaxPresenceMetadata)}, nil},

		{``, SetPresence{}, ErrStatusMissing},
		{`{}`, SetPresence{}, ErrStatusMissing},
		{`{"status":null}`, SetPresence{}, ErrStatusMissing},
		{`{"status":5}`, SetPresence{}, ErrStatus},
		{`{"status":["online"]}`, SetPresence{}, ErrStatus},
		{`{"status":""}`, SetPresence{}, ErrStatus},
		{`{"status":"Online"}`, SetPresence{}, ErrStatus},
		{`{"status":"offline"}`, SetPresence{}, ErrStatus}, // told, never set
		{`{"status":"online","message":5}`, SetPresence{}, ErrMessageType},
		{`{"status":"online","message":{}}`, SetPresence{}, ErrMessageType},
		{`{"status":"online","message":"` + long + `e"}`, SetPresence{}, ErrMessageLong}, // bytes, not characters
		{`{"status":"online","metadata":"{}"}`, SetPresence{}, ErrMetadataType},
		{`{"status":"online","metadata":[{}]}`, SetPresence{}, ErrMetadataType},
		{`{"status":"online","metadata":` + objectOf(MaxPresenceMetadata+1) + `}`, SetPresence{}, ErrPresenceMetadata},
		// The last counts.
		{`{"status":"x","message":5,"metadata":5,"status":"busy","message":"m","metadata":{}}`, SetPresence{StatusBusy, "m", `{}`}, nil},
		{`{"status":"busy","status":null}`, SetPresence{}, ErrStatusMissing},
	})
}

func TestParseUsers(t *testing.T) {
	many := `{"users":["u"` + strings.Repeat(`,"u"`, MaxUsers-1) + `]}`
	checkParse(t, ParseUsers, []parseTest[[]string]{
		{`{"users":["bob"]}`, []string{"bob"}, nil},
		{`{"users":[ "\u0061" , "a", "" ]}`, []string{"a", "a", ""}, nil},
		{`{"users":5,"users":["a"]}`, []string{"a"}, nil},
		{many, slices.Repeat([]string{"u"}, MaxUsers), nil},
		{strings.Replace(many, `"u"`, `"u","u"`, 1), nil, ErrUsersMany},
		{``, nil, ErrUsersMissing},
		{`{}`, nil, ErrUsersMissing},
		{`{"users":null}`, nil, ErrUsersMissing},
		{`{"users":[]}`, nil, ErrUsersMissing},
		{`{"users":["a"],"users":null}`, nil, ErrUsersMissing},
		{`{"users":"a"}`, nil, ErrUsersType},
		{`{"users":{"0":"a"}}`, nil, ErrUsersType},
		{`{"users":["a",5]}`, nil, ErrUsersType},
		{`{"users":[null]}`, nil, ErrUsersType},
		{`{"users":[["a"]]}`, nil, ErrUsersType},
	})
}

func FuzzPresence(f *testing.F) {
	fuzzData(f, []string{
		``, `{}`, `{"status":"away","message":"at \u00e9","metadata":{"until":[13] }}`, `{"status":"online","message":null,"metadata":null}`,
		`{"status":"busy"}`, `{"status":"invisible"}`, `{"status":"offline"}`, `{"status":5,"status":"busy","message":5}`,
		`{"status":"online","message":"` + strings.Repeat("x", MaxPresenceMessage+1) + `"}`,
		`{"status":"online","metadata":` + objectOf(MaxPresenceMetadata+1) + `}`,
		`{"users":["a","\u0062"]}`, `{"users":[]}`, `{"users":[5]}`, `{"users":[` + strings.Repeat(`"a",`, MaxUsers) + `"a"]}`,
	}, func(t *testing.T, data string, want jsonMembers) {
		users, err := want.texts("users", MaxUsers, ErrUsersType, ErrUsersMany)
		if err == nil && len(users) == 0 {
			err = ErrUsersMissing
		}
		gotUsers, gotErr := ParseUsers(data)
		same(t, "ParseUsers", gotUsers, gotErr, users, err)

		set, err := wantSetPresence(want)
		gotSet, gotErr := parseSetPresence(data)
		same(t, "SetPresence", gotSet, gotErr, set, err)
	})
}

func wantSetPresence(want jsonMembers) (s SetPresence, err error) {
	if s.Status, err = want.text("status", ErrStatusMissing, ErrStatus); err != nil {
		return s, err
	}
	if !slices.Contains([]string{"online", "away", "busy", "invisible"}, s.Status) {
		return s, ErrStatus
	}
	if s.Message, err = want.text("message", nil, ErrMessageType); err != nil {
		return s, err
	}
	if len(s.Message) > MaxPresenceMessage {
		return s, ErrMessageLong
	}
	s.Metadata, err = want.object("metadata", MaxPresenceMetadata, ErrMetadataType, ErrPresenceMetadata)
	return s, err
}
