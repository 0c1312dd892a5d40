package store

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"
)

// ErrUnavailable is what a call fails with that Redis did not answer, or that was not made because
// the circuit breaker is open. A write that fails so may still have taken place.
var ErrUnavailable = errors.New("redis is unavailable")

// ErrQueueFull refuses a message because its user's queue is at a bound.
var ErrQueueFull = errors.New("the queue of the user is full")

// ErrNoSession says that there is no such session of the user, or no more.
var ErrNoSession = errors.New("there is no such session")

// errClusterNode is added where a single server was expected.
var errClusterNode = errors.New("REDIS_URL names a node of a cluster: add cluster=true")

// away tells whether err is one of Redis, so that the next call will likely fail as well. An error
// reply about one key or script is not: one broken queue must not close all.
func away(err error) bool {
	var reply redis.Error
	if !errors.As(err, &reply) {
		return err != nil // no reply at all
	}
	text := reply.Error()
	switch code, _, _ := strings.Cut(text, " "); code {
	case "ERR":
		return strings.HasPrefix(text, "ERR max number of clients") || strings.HasPrefix(text, "ERR AUTH")
	case "WRONGTYPE", "CROSSSLOT", "MOVED", "ASK":
		return false
	default: // LOADING, READONLY, CLUSTERDOWN, OOM, MISCONF, NOAUTH, …
		return true
	}
}

// timedOut tells whether err is a time that was over.
func timedOut(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// replied tells whether err is an error that Redis itself answered.
func replied(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}
