//go:build linux

package main

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// stamped is a payload as payload makes it, with the time at which it was sent: for
// readers in another process of this machine.
func stamped(slot, n, size int, at time.Time) string {
	b := fmt.Sprintf(`{"slot":%d,"seq":%d,"at":%d,"pad":"`, slot, n, at.UnixNano())
	return b + strings.Repeat("x", max(0, size-len(b)-2)) + `"}`
}

// stampOf finds a payload of stamped in a message.
func stampOf(text []byte) (slot, n int, at time.Time, ok bool) {
	_, rest, found := bytes.Cut(text, []byte(`{"slot":`))
	if !found {
		return 0, 0, at, false
	}
	slot, rest = number(rest)
	if rest, found = bytes.CutPrefix(rest, []byte(`,"seq":`)); !found {
		return 0, 0, at, false
	}
	n, rest = number(rest)
	if rest, found = bytes.CutPrefix(rest, []byte(`,"at":`)); !found {
		return 0, 0, at, false
	}
	nano, _ := number(rest)
	return slot, n, time.Unix(0, int64(nano)), slot >= 0 && slot < slots && n >= 0
}

// kindOf is the type of a message.
func kindOf(text []byte) string {
	rest, _ := bytes.CutPrefix(text, []byte(`{"type":"`))
	name, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(name)
}
