//go:build linux

package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// watch checks that every socket sees every message of its topics once and in
// order, and counts. The messages of each topic are numbered from 0.
type watch struct {
	next       [][]int // by socket, then by topic slot: the number it must see next
	deliveries int
	acks       int
	frameSize  int // of the latest delivery, WebSocket header included
}

// Slots of a socket's topics.
const (
	slotAll   = iota // the topic of all sockets
	slotGroup        // the topic of its group
	slots
)

// Slots where messages of another kind are compared with those to a topic.
const (
	slotTopic = iota
	slotOther
)

// payload is a message of size bytes: the slot, its number, and padding.
func payload(slot, n, size int) string {
	b := fmt.Sprintf(`{"slot":%d,"seq":%d,"pad":"`, slot, n)
	return b + strings.Repeat("x", max(0, size-len(b)-2)) + `"}`
}

func broadcast(id, topic, payload string) []byte {
	b := []byte(`{"type":"Broadcast",`)
	if id != "" {
		b = append(b, `"id":"`+id+`",`...)
	}
	return append(b, `"data":{"topic":"`+topic+`","payload":`+payload+`}}`...)
}

// text is the swarm's callback.
func (w *watch) text(socket int, text []byte) error {
	_, after, found := bytes.Cut(text, []byte(`{"slot":`))
	if !found {
		if bytes.Contains(text, []byte(`"type":"Error"`)) {
			return fmt.Errorf("the server answered %.300s", text)
		}
		if bytes.Contains(text, []byte(`"type":"Ack"`)) {
			w.acks++
		}
		return nil
	}
	slot, after := number(after)
	after, found = bytes.CutPrefix(after, []byte(`,"seq":`))
	n, _ := number(after)
	if !found || slot < 0 || slot >= slots || socket >= len(w.next) {
		return fmt.Errorf("unexpected delivery %.300s", text)
	}
	if want := w.next[socket][slot]; n != want {
		return fmt.Errorf("message %d arrived where %d was due: lost, doubled or reordered", n, want)
	}
	w.next[socket][slot]++
	w.deliveries++
	w.frameSize = len(text) + headerSize(len(text))
	return nil
}

// number reads the decimal number at the beginning of b; -1 when there is none.
func number(b []byte) (int, []byte) {
	i := 0
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	n, err := strconv.Atoi(string(b[:i]))
	if err != nil {
		return -1, b
	}
	return n, b[i:]
}

// headerSize is that of a server's frame (RFC 6455, 5.2).
func headerSize(n int) int {
	switch {
	case n < 126:
		return 2
	case n < 1<<16:
		return 4
	}
	return 10
}
