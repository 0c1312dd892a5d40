package cluster

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Config is what a Member is made from. Callbacks run on the goroutine of Run, one at a
// time and in order; one that blocks keeps the node from beating, for DeadAfter at most
// before the others declare it dead.
type Config struct {
	// Self is this node. ID, Role and Name are required; see Ref on IDs. The state it starts
	// in is Joining, whatever State says.
	Self Node

	// BeatInterval is the time between two heartbeats: 1s if zero.
	BeatInterval time.Duration

	// DeadAfter is the silence after which a node is dead: 3 × BeatInterval if zero, and not
	// less than that. All nodes of a cluster should agree on it.
	DeadAfter time.Duration

	// SuspectAfter is the silence after which a node is dead that somebody suspects
	// (Member.Suspect): 1s if zero, or a BeatInterval where that is longer, and not less
	// than one. It has to leave a node whose NATS server died the time to reconnect and say
	// hello. All nodes of a cluster should agree on it.
	SuspectAfter time.Duration

	// OnChange is called with the new views when one of them differs from before. May be nil.
	OnChange func(*Views)

	// OnDeposed is called when this node has been declared dead by others and goes on under
	// incarnation inc: what it owned, others may have owned meanwhile. Called before the
	// OnChange that shows the new incarnation, and before any other node is told of it. May
	// be nil.
	OnDeposed func(inc uint32)

	// Load gives the numbers that this node's next beat tells of how busy it is. May be nil.
	Load func() map[string]float64

	// Turned is called several times a second while Run works, with how long its turn took. May be nil.
	Turned func(took time.Duration)

	// Demand gives the demand that this node's next beat tells, see Beat. May be nil: none.
	Demand func() float64

	Log        *zap.Logger           // no log if nil
	Registerer prometheus.Registerer // no metrics to be seen if nil
}

// withDefaults fills in what may be absent, and says what is wrong.
func (c Config) withDefaults() (Config, error) {
	if c.BeatInterval == 0 {
		c.BeatInterval = time.Second
	}
	if c.DeadAfter == 0 {
		c.DeadAfter = 3 * c.BeatInterval
	}
	if c.SuspectAfter == 0 {
		c.SuspectAfter = max(time.Second, c.BeatInterval)
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	c.Self.State = Joining
	n := c.Self
	switch {
	case c.BeatInterval < 10*time.Millisecond:
		return c, fmt.Errorf("beat interval %s is shorter than 10ms", c.BeatInterval)
	case c.DeadAfter < 3*c.BeatInterval:
		return c, fmt.Errorf("dead after %s is less than 3 beat intervals of %s", c.DeadAfter, c.BeatInterval)
	case c.SuspectAfter < c.BeatInterval:
		return c, fmt.Errorf("suspect after %s is less than a beat interval of %s", c.SuspectAfter, c.BeatInterval)
	case n.ID == 0:
		return c, errors.New("node without ID")
	case !n.Role.Valid():
		return c, fmt.Errorf("unknown role %q", n.Role)
	case n.Name == "":
		return c, errors.New("node without name")
	}
	// What remains to check is what the others would: that they can read our beats.
	b := Beat{Node: n}
	data, err := b.encode()
	if err == nil {
		_, err = decodeBeat(data)
	}
	return c, err
}
