package rules

import "time"

// Kind is a type of message that rules examine.
type Kind uint8

// The kinds, by the names of their types in the client protocol.
const (
	Broadcast Kind = iota
	RoomMessage
	DirectMessage

	kinds
)

var kindNames = [kinds]string{"Broadcast", "RoomMessage", "DirectMessage"}

// String is the type's name in the client protocol.
func (k Kind) String() string { return kindNames[k] }

// Message is a message as its owner has it before anybody gets it.
type Message struct {
	Kind      Kind
	Key       string // topic, room or target user
	User      string // the sender
	Roles     string // of the sender, joined by '\n'; "" where there are none
	Payload   []byte // valid JSON
	MessageID string
	SentAt    int64 // Unix milliseconds
}

// Target is where a rule sends a message: a topic, a room or a user.
type Target struct {
	Kind Kind
	Key  string
}

// Copy is a message that a rule sends besides. It is not examined again.
type Copy struct {
	Target
	Payload  []byte // may be that of the Message
	Metadata string // as in a Verdict
}

// Action is what happens to a message in the end.
type Action uint8

// The actions.
const (
	Pass     Action = iota // it goes where it was sent to
	Drop                   // the sender is told that all is well, and nobody gets it
	Reject                 // the sender gets an Error with Code and Message
	Limited                // the sender gets an Error 429, to come again after Wait
	Redirect               // it goes to To instead, and is not examined again
)

// String is the action's word in metrics and on the command line.
func (a Action) String() string {
	return [...]string{"pass", "drop", "reject", "limited", "redirect"}[a]
}

// Verdict is what the rules make of a message. It is the receiver's, nothing of it is used again.
type Verdict struct {
	Action   Action
	Rule     string        // that decided: of all actions but Pass
	Code     int           // of Reject: 400 to 499, or 500 where a rule failed
	Message  string        // of Reject, for the client
	Wait     time.Duration // of Limited
	To       Target        // of Redirect
	Payload  []byte        // the new one, where Changed
	Changed  bool
	Metadata string // members of a JSON object without its braces, such as `"a":1,"b":2`; "" where there are none
	Copies   []Copy // to be sent whatever the Action is
}
