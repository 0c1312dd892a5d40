package main

import (
	"fmt"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/realtime-cluster/realtime/loadtest/checker/history"
)

const minPayload = 64

// payloadOf is what message m to a key carries: size bytes of JSON that say which it is.
func payloadOf(m history.Message, key, size int) string {
	head := fmt.Sprintf(`{"w":%d,"n":%d,"k":%d,"pad":"`, m.Writer, m.N, key)
	return head + strings.Repeat("x", max(0, size-len(head)-2)) + `"}`
}

// idOf is the id of a message, unique for its writer's user.
func idOf(m history.Message) string { return fmt.Sprintf("m%d", m.N) }

func userOf(writer int) string { return fmt.Sprintf("writer-%d", writer) }

// messageOf reads a payload. ok says that it is what was sent to key under that id, byte for byte.
func messageOf(payload, id, user string, key, size int) (m history.Message, ok bool) {
	r := gjson.Parse(payload)
	m = history.Message{Writer: uint32(r.Get("w").Uint()), N: uint32(r.Get("n").Uint())}
	return m, payload == payloadOf(m, key, size) && id == idOf(m) && user == userOf(int(m.Writer))
}
