package history

import (
	"fmt"
	"maps"
	"slices"
)

// Kind of a broken promise.
type Kind string

// The kinds.
const (
	Lost           Kind = "lost"            // acked, and a reader between its first and its last did not get it
	Gap            Kind = "unflagged gap"   // offsets jumped, and nobody had said so
	Needless       Kind = "needless gap"    // told to be missing, though it is kept
	Repeated       Kind = "repeated"        // one message at two positions
	Doubled        Kind = "doubled"         // twice in a row on one connection
	Order          Kind = "out of order"    // offsets went back on one connection
	WriterOrder    Kind = "writer's order"  // before what its writer had sent before
	Forked         Kind = "forked"          // two messages at one position
	Forgotten      Kind = "forgotten"       // acked, and not in History
	Phantom        Kind = "phantom"         // delivered, and not in History
	Misnumbered    Kind = "misnumbered"     // an offset that cannot be
	Reborn         Kind = "epoch changed"   // the history was void, and began anew
	FalseDuplicate Kind = "false duplicate" // sent once, and called a duplicate
	Unstored       Kind = "not stored"      // acked, but as accepted
	Unanswered     Kind = "unanswered"      // never acked, to the end
	Unknown        Kind = "unknown"         // never sent, or not to that key
	Altered        Kind = "altered"         // with another payload
	Uninvited      Kind = "uninvited"       // at a reader that did not ask for the key
	Page           Kind = "page of History" // not one after the other, or not what it was asked for
	Session        Kind = "session"         // not as the welcome says
	Stalled        Kind = "stalled"         // nothing went on for long after all was well again
)

// Violation is one broken promise, described for a reader. Messages appear as writer/number.
type Violation struct {
	Kind Kind
	Text string
}

func (v Violation) String() string { return string(v.Kind) + ": " + v.Text }

// keptPerKind bounds the texts, not the counts.
const keptPerKind = 10

type violations struct {
	list   []Violation
	counts map[Kind]int
	texts  map[Kind]int  // that were told of, kept or not
	stamp  func() string // may be nil
}

func (v *violations) add(k Kind, format string, args ...any) { v.addAll(k, 1, format, args...) }

// addAll adds n violations that one text tells of.
func (v *violations) addAll(k Kind, n int, format string, args ...any) {
	if v.counts == nil {
		v.counts, v.texts = make(map[Kind]int), make(map[Kind]int)
	}
	v.counts[k] += n
	if v.texts[k]++; v.texts[k] <= keptPerKind {
		text := fmt.Sprintf(format, args...)
		if v.stamp != nil {
			text += v.stamp()
		}
		v.list = append(v.list, Violation{k, text})
	}
}

func (v *violations) clone() violations {
	return violations{list: slices.Clone(v.list), counts: maps.Clone(v.counts), texts: maps.Clone(v.texts)}
}
