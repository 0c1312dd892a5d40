//go:build linux

package main

import (
	"sync"

	"github.com/realtime-cluster/realtime/loadtest/client"
)

// record is what the system acknowledged.
type record struct {
	mu       sync.Mutex                 // guards what follows
	messages map[string][]client.Ack    // by topic
	rooms    map[string]map[string]bool // by room: whether a user is a member; those that nobody knows are not in it
	refused  int                        // messages
}

func newRecord() *record {
	return &record{messages: map[string][]client.Ack{}, rooms: map[string]map[string]bool{}}
}

func (r *record) message(topic string, a client.Ack) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages[topic] = append(r.messages[topic], a)
}

func (r *record) refuse() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused++
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
