package durable

import (
	"encoding/json"
	"fmt"
)

// version of the documents. A reader that meets a higher one refuses it; fields may be added without.
const version = 1

// States of a head.
const (
	creating = "creating" // invisible, and anybody may take over
	live     = "live"
)

// head is the document at r.<room>.h. Names in it are escaped.
type head struct {
	Version int    `json:"v"`
	State   string `json:"state"`
	Change  change `json:"change,omitzero"`
}

// change is the latest change of the members.
type change struct {
	Before uint64  `json:"before"` // the revision it was made at
	User   string  `json:"user"`
	Member *member `json:"member,omitempty"` // nil: removed
}

func (c change) equal(d change) bool {
	if c.Before != d.Before || c.User != d.User || (c.Member == nil) != (d.Member == nil) {
		return false
	}
	return c.Member == nil || *c.Member == *d.Member
}

// properties is the document at r.<room>.p.
type properties struct {
	Version   int    `json:"v"`
	Owner     string `json:"owner"`
	Private   bool   `json:"private,omitempty"`
	Capacity  int    `json:"capacity,omitempty"`
	Metadata  []byte `json:"metadata,omitempty"`
	CreatedAt int64  `json:"created_at"`
}

// member is the document at r.<room>.m.<user>.
type member struct {
	Version int    `json:"v"`
	Joined  bool   `json:"joined,omitempty"`
	Given   uint64 `json:"version"`
}

func memberOf(m Member) member { return member{Version: version, Joined: m.Joined, Given: m.Version} }

// userRooms is the document at u.<user>. Names in it are escaped and sorted.
type userRooms struct {
	Version int      `json:"v"`
	Rooms   []string `json:"rooms"`
}

func encode(document any) []byte {
	data, err := json.Marshal(document)
	if err != nil {
		panic(err) // the documents above hold nothing that JSON cannot
	}
	return data
}

func (h head) version() int       { return h.Version }
func (p properties) version() int { return p.Version }
func (m member) version() int     { return m.Version }
func (u userRooms) version() int  { return u.Version }

func decode[D interface{ version() int }](data []byte, what string) (D, error) {
	var d D
	if err := json.Unmarshal(data, &d); err != nil {
		return d, fmt.Errorf("read %s: %w", what, err)
	}
	if d.version() > version {
		return d, fmt.Errorf("read %s: version %d: %w", what, d.version(), errNewer)
	}
	return d, nil
}
