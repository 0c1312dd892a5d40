package durable

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

var (
	// ErrNotFound says that there is no such room.
	ErrNotFound = errors.New("no such durable room")
	// ErrExists says that there is another room of that name.
	ErrExists = errors.New("the durable room exists")
	// ErrConflict says that somebody else changed the room since the given revision. Nothing was written, unless
	// the call repeats one that was unavailable. Load the room again.
	ErrConflict = errors.New("the durable room was changed by another owner")
	// ErrUnavailable says that JetStream did not answer, or could not do it. A write that fails so may still
	// have taken place, or take place later: repeat it with the same arguments, or load the room again.
	ErrUnavailable = errors.New("jetstream is unavailable")
)

// errNewer is a document of a later version of this program.
var errNewer = errors.New("written by a newer version")

// sorted gives err its sentinel. What the caller ended itself says nothing about JetStream.
func sorted(caller context.Context, err error) error {
	switch {
	case err == nil, isSentinel(err), errors.Is(err, errNewer), errors.Is(err, nats.ErrMaxPayload), errors.As(err, new(*nameError)):
		return err
	case caller.Err() != nil:
		return caller.Err()
	default:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
}

func isSentinel(err error) bool {
	return errors.Is(err, ErrNotFound) || errors.Is(err, ErrExists) || errors.Is(err, ErrConflict) || errors.Is(err, ErrUnavailable)
}
