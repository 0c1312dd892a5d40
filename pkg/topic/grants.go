package topic

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Grants is what a token's `topics` claim allows its bearer: patterns to publish and to
// subscribe to. A nil list stands for every topic that does not begin with '$', an empty one
// for none; a nil *Grants stands for two nil lists. Grants are not changed once in use, so
// that any number of goroutines may ask them.
type Grants struct {
	Publish   []string `json:"publish,omitzero"`
	Subscribe []string `json:"subscribe,omitzero"`
}

// CanPublish reports whether topic, a valid name, may be published to.
func (g *Grants) CanPublish(topic string) bool {
	if g == nil || g.Publish == nil {
		return !IsSystem(topic)
	}
	for _, p := range g.Publish {
		if Match(p, topic) {
			return true
		}
	}
	return false
}

// CanSubscribe reports whether sub, a valid pattern, may be subscribed to: whether one of the
// patterns covers all of it. With no list, a wildcard in first place is allowed like any
// other, since it does not match the system's topics.
func (g *Grants) CanSubscribe(sub string) bool {
	if g == nil || g.Subscribe == nil {
		return !IsSystem(sub)
	}
	for _, p := range g.Subscribe {
		if Covers(p, sub) {
			return true
		}
	}
	return false
}

// Validate reports the first pattern that is none: which it is, and why.
func (g *Grants) Validate() error {
	if g == nil {
		return nil
	}
	for _, p := range g.Publish {
		if err := ValidatePattern(p); err != nil {
			return fmt.Errorf("publish %s: %w", quote(p), err)
		}
	}
	for _, p := range g.Subscribe {
		if err := ValidatePattern(p); err != nil {
			return fmt.Errorf("subscribe %s: %w", quote(p), err)
		}
	}
	return nil
}

// What UnmarshalJSON refuses apart from plain JSON errors.
var (
	errNotObject = errors.New("topics is not an object")
	errNotList   = errors.New("is not a list of patterns")
	errUnknown   = errors.New("is neither publish nor subscribe")
)

// UnmarshalJSON reads {"publish":[…],"subscribe":[…]}, either of them optional. Since a list
// that is missing allows nearly everything, nothing may pass for missing by mistake: null in
// place of an object or a list, and names that are not these two, exactly, are errors.
func (g *Grants) UnmarshalJSON(data []byte) error {
	if data = bytes.TrimSpace(data); len(data) == 0 || data[0] != '{' {
		return errNotObject
	}
	var lists map[string]json.RawMessage
	if err := json.Unmarshal(data, &lists); err != nil {
		return err
	}
	var read Grants
	for name, raw := range lists {
		var list *[]string
		switch name {
		case "publish":
			list = &read.Publish
		case "subscribe":
			list = &read.Subscribe
		default:
			return fmt.Errorf("topics: %s %w", quote(name), errUnknown)
		}
		if err := readList(raw, list); err != nil {
			return fmt.Errorf("%s %w", name, err)
		}
	}
	*g = read
	return nil
}

// readList reads a JSON array of strings, where encoding/json would let null pass for either.
func readList(raw json.RawMessage, list *[]string) error {
	var items []*string
	if err := json.Unmarshal(raw, &items); err != nil || items == nil {
		return errNotList
	}
	*list = make([]string, 0, len(items))
	for _, item := range items {
		if item == nil {
			return errNotList
		}
		*list = append(*list, *item)
	}
	return nil
}

// quote renders a name from outside for an error text: escaped, and at most some 60 bytes.
func quote(s string) string {
	const most = 60
	if len(s) <= most {
		return fmt.Sprintf("%q", s)
	}
	cut := most
	for cut > most-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%q…", s[:cut])
}
