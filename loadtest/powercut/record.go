//go:build linux

package main

import (
	"sync"

	"github.com/realtime-cluster/realtime/loadtest/client"
)

// key is a topic or a room with history.
type key struct {
	name string
	room bool
}

// record is what the system acknowledged.
type record struct {
	mu       sync.Mutex // guards what follows
	messages map[key][]client.Ack
	rooms    map[string]map[string]bool // by room: whether a user is a member; those that nobody knows are not in it
}

func newRecord() *record {
	return &record{messages: map[key][]client.Ack{}, rooms: map[string]map[string]bool{}}
}

func (r *record) message(k key, a client.Ack) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages[k] = append(r.messages[k], a)
}

func (r *record) room(room string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rooms[room] = map[string]bool{}
}

// unknown says that a member is about to change.
func (r *record) unknown(room, user string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.rooms[room], user)
}

func (r *record) member(room, user string, is bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rooms[room][user] = is
}
