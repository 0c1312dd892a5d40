// Package control lets an operator's tools ask the processes of a cluster over NATS: how they are, and to stop in good order
// or to disconnect a user. Whoever may publish to rt.control.> may do all of it; nobody but the cluster and its operators
// should reach that NATS.
//
// Each process listens to a subject of its own and to one of all, and gateways share a third. Requests and replies are JSON.
package control

import (
	"encoding/json"
	"time"

	"github.com/realtime-cluster/realtime/pkg/hot"
)

// The actions that can be asked for.
const (
	actionReport     = "report"     // a Report is the answer
	actionDrain      = "drain"      // as SIGTERM: the process ends
	actionDisconnect = "disconnect" // all connections of a user, wherever they are
)

type request struct {
	Action string `json:"action"`
	User   string `json:"user,omitempty"`
	By     string `json:"by,omitempty"` // who asks, for the log
}

type reply struct {
	Error  string  `json:"error,omitempty"`
	Report *Report `json:"report,omitempty"`
}

// Report is how a process is.
type Report struct {
	ID        string            `json:"id"` // of this run of the process
	Node      string            `json:"node"`
	Role      string            `json:"role"` // its command: all, gateway, router, presence
	Version   string            `json:"version"`
	Address   string            `json:"address"` // where it listens
	PID       int               `json:"pid"`
	StartedAt time.Time         `json:"started_at"`
	Status    string            `json:"status"`   // as /health tells it
	Troubles  map[string]string `json:"troubles"` // the components that are not healthy, and why
	Settings  map[string]string `json:"settings"` // without secrets

	At       time.Time          `json:"at"`       // when the figures were read
	Figures  map[string]float64 `json:"figures"`  // metrics by name, summed over their labels
	Views    map[string]View    `json:"views"`    // by role
	Breakers map[string]string  `json:"breakers"` // circuit breakers by dependency: closed, half-open, open
	Delivery []Bucket           `json:"delivery"` // how long deliveries took since the start

	Topics []hot.Rate   `json:"topics"` // those with the most Broadcasts
	Slow   []SlowClient `json:"slow"`   // those for whom the most waits
}

// View is what a process believes of the nodes of a role.
type View struct {
	Version uint32 `json:"version"` // those who agree have the same
	Active  int    `json:"active"`
	Leaving int    `json:"leaving"`
}

// Bucket counts the deliveries that took at most so many seconds; the last one has 0, for any number.
type Bucket struct {
	Seconds float64 `json:"le"`
	Count   uint64  `json:"count"`
}

// SlowClient is a client that does not read what it is sent.
type SlowClient struct {
	User    string `json:"user"`
	Waiting int    `json:"waiting"` // bytes
}

// The bounds of a report's lists.
const (
	maxTopics = 20
	maxSlow   = 20
)

func (r *reply) encode() []byte {
	b, err := json.Marshal(r)
	if err != nil { // a figure that is not a number
		b, _ = json.Marshal(&reply{Error: err.Error()})
	}
	return b
}
