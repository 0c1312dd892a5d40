package rules

import (
	"errors"
	"slices"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"github.com/realtime-cluster/realtime/pkg/topic"
)

const (
	maxMetadata = 1024 // bytes that rules may add to a message's metadata
	maxCopies   = 16   // of one message
	maxUser     = 128  // bytes of a user's name
)

// scope is a message under examination: what the rules have made of it so far, and the variables of expressions.
type scope struct {
	message *Message
	work    work

	draft           // what the rules made
	payload ref.Val // over the bytes of the draft; nil until it is asked for
	roles   ref.Val
	meta    ref.Val
}

// draft is what a rule that does not count leaves as it was.
type draft struct {
	bytes   []byte
	changed bool
	members []member
	copies  []Copy
}

// member is a member of the metadata that a rule has set.
type member struct {
	name string
	raw  string // JSON
}

func (s *scope) begin(m *Message) {
	*s = scope{message: m, draft: draft{bytes: m.Payload}}
}

// end lets go of the message.
func (s *scope) end() { *s = scope{} }

// keep is the draft as it is now, whatever is done to the scope later.
func (s *scope) keep() draft {
	d := s.draft
	d.members, d.copies = slices.Clone(d.members), slices.Clip(d.copies)
	return d
}

// restore takes up a draft that was kept.
func (s *scope) restore(d draft) { s.draft, s.payload, s.meta = d, nil, nil }

// ResolveName implements interpreter.Activation: the variables.
func (s *scope) ResolveName(name string) (any, bool) {
	switch name {
	case "payload":
		if s.payload == nil {
			raw, _, _ := item(text(s.bytes), 0)
			s.payload = value(&s.work, raw)
		}
		return s.payload, true
	case "type":
		return types.String(s.message.Kind.String()), true
	case "topic":
		return s.key(Broadcast), true
	case "room":
		return s.key(RoomMessage), true
	case "target":
		return s.key(DirectMessage), true
	case "user":
		return types.String(s.message.User), true
	case "roles":
		if s.roles == nil {
			s.roles = types.NewStringList(types.DefaultTypeAdapter, rolesOf(s.message.Roles))
		}
		return s.roles, true
	case "metadata":
		if s.meta == nil {
			s.meta = s.metadata()
		}
		return s.meta, true
	}
	return nil, false
}

// Parent implements interpreter.Activation.
func (s *scope) Parent() interpreter.Activation { return nil }

func (s *scope) key(k Kind) types.String {
	if s.message.Kind != k {
		return ""
	}
	return types.String(s.message.Key)
}

func rolesOf(joined string) []string {
	if joined == "" {
		return nil
	}
	return strings.Split(joined, "\n")
}

func (s *scope) metadata() ref.Val {
	m := make(map[ref.Val]ref.Val, 2+len(s.members))
	m[types.String("message_id")] = types.String(s.message.MessageID)
	m[types.String("sent_at")] = types.Int(s.message.SentAt)
	for _, member := range s.members {
		m[types.String(member.name)] = value(&s.work, member.raw)
	}
	return types.NewRefValMap(types.DefaultTypeAdapter, m)
}

// transform makes the result of an expression the payload.
func (s *scope) transform(x *expression, most int) error {
	v, err := x.eval(s)
	if err != nil {
		return err
	}
	b, err := encode(make([]byte, 0, len(s.bytes)+64), v, most)
	if err != nil {
		return err
	}
	s.bytes, s.changed, s.payload = b, true, nil
	return nil
}

// set gives a member of the metadata its value.
func (s *scope) set(name string, x *expression) error {
	v, err := x.eval(s)
	if err != nil {
		return err
	}
	b, err := encode(nil, v, maxMetadata)
	if err != nil {
		return err
	}
	// All that needs the bytes of the name and `"":,` besides the value.
	size, there := len(name)+4+len(b), -1
	for i, m := range s.members {
		if m.name == name {
			there = i
		} else {
			size += len(m.name) + 4 + len(m.raw)
		}
	}
	if size > maxMetadata {
		return errors.New("the metadata would be too long")
	}
	if there < 0 {
		s.members = append(s.members, member{name: name})
		there = len(s.members) - 1
	}
	s.members[there].raw, s.meta = string(b), nil
	return nil
}

// aim finds where a destination is.
func (s *scope) aim(d destination) (Target, error) {
	if d.expr == nil {
		return d.Target, nil
	}
	key, err := d.expr.evalString(s)
	if err != nil {
		return Target{}, err
	}
	if err := d.Kind.validate(key); err != nil {
		return Target{}, errors.New(quote(key) + " " + err.Error())
	}
	return Target{d.Kind, key}, nil
}

// send adds a copy of the message as it is now.
func (s *scope) send(to Target) error {
	if len(s.copies) == maxCopies {
		return errors.New("there are too many copies of this message already")
	}
	s.copies = append(s.copies, Copy{Target: to, Payload: s.bytes, Metadata: s.encoded()})
	return nil
}

// encoded is the metadata that was set, as JSON members.
func (s *scope) encoded() string {
	if len(s.members) == 0 {
		return ""
	}
	var b strings.Builder
	for i, m := range s.members {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + m.name + `":` + m.raw)
	}
	return b.String()
}

// validate reports why nothing can be sent to a key of this kind.
func (k Kind) validate(key string) error {
	if k != DirectMessage {
		return topic.Validate(key)
	}
	return validateUser(key)
}
