package cluster

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/realtime-cluster/realtime/pkg/wire"
)

// Role is what a node does in the cluster.
type Role string

// The roles. A process may run several: each is a node of its own.
const (
	RoleGateway  Role = "gateway"
	RoleRouter   Role = "router"
	RolePresence Role = "presence"
)

// Roles lists every role.
var Roles = []Role{RoleGateway, RoleRouter, RolePresence}

// Valid reports whether r is one of Roles.
func (r Role) Valid() bool {
	return r == RoleGateway || r == RoleRouter || r == RolePresence
}

// Ref identifies one incarnation of a node.
//
// ID is drawn once for a node ([NewID]) and never used again, not even by the same host
// after a restart: two lives under one Ref could not be told apart. Inc starts at 0 and
// grows each time the others have declared the node dead while it was not.
type Ref struct {
	ID  uint64
	Inc uint32
}

// String gives the ID in 16 hex digits, a slash and the incarnation in decimal.
func (r Ref) String() string { return IDString(r.ID) + "/" + strconv.FormatUint(uint64(r.Inc), 10) }

// IDString is how a node is named in subjects, logs and heartbeats: 16 hex digits.
func IDString(id uint64) string { return wire.NodeName(id) }

// NewID draws the ID of a node that starts. It is never 0.
func NewID() uint64 {
	var b [8]byte
	for {
		rand.Read(b[:]) // never fails: crypto/rand ends the program instead
		if id := binary.BigEndian.Uint64(b[:]); id != 0 {
			return id
		}
	}
}

// State is how far a node is in its life. Within one run it only grows.
type State uint8

// The states, in the order of a node's life.
const (
	Joining State = iota // looking around: in no list
	Active               // owns keys
	Leaving              // alive, owns nothing any more
)

var stateNames = [...]string{Joining: "joining", Active: "active", Leaving: "leaving"}

// String gives the state's name as heartbeats carry it.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "state " + strconv.Itoa(int(s))
}

// MarshalText gives the state's name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a state's name. Any other text is an error.
func (s *State) UnmarshalText(b []byte) error {
	for i, name := range stateNames {
		if string(b) == name {
			*s = State(i)
			return nil
		}
	}
	return fmt.Errorf("unknown state %q", b)
}

// Node is one role running in one process, as its heartbeats describe it.
type Node struct {
	Ref
	Role    Role
	Name    string // host name or NODE_NAME, for people
	Lanes   int    // how many subjects it listens on, numbered from 0
	State   State
	Version string // of the program
}
