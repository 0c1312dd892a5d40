package durable

import (
	"fmt"

	"github.com/realtime-cluster/realtime/pkg/natskey"
)

// What rooms and users may be called at most, in bytes.
const (
	maxRoom = 255
	maxUser = 128
)

const (
	bucket  = "rt_rooms"
	stream  = "KV_" + bucket
	subject = "$KV." + bucket + "."
)

// A nameError is a room or user that no client can have asked for.
type nameError struct {
	what   string
	length int
}

func (e *nameError) Error() string { return fmt.Sprintf("a %s of %d bytes", e.what, e.length) }

func checkRoom(room string) error {
	if room == "" || len(room) > maxRoom {
		return &nameError{"room", len(room)}
	}
	return nil
}

func checkUser(user string) error {
	if user == "" || len(user) > maxUser {
		return &nameError{"user", len(user)}
	}
	return nil
}

func roomSubject(room string) string { return subject + "r." + natskey.Escape(room) + "." }
func userSubject(user string) string { return subject + "u." + natskey.Escape(user) }

// The tails of a room's subjects.
const (
	headTail       = "h"
	propertiesTail = "p"
	memberTail     = "m."
)
