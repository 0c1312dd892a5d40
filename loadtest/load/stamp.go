//go:build linux

package main

import (
	"bytes"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// stamp is what a message says of itself.
type stamp struct {
	kind   int    // index in the run's kinds
	sender int    // connection
	seq    uint32 // its number among those of that kind from that sender, from 0
	due    int64  // when it was to be sent, by the clock
}

const stampMark = `"rt1.`

// appendPayload makes a JSON string of about size bytes: rt1.<kind>.<sender>.<seq>.<due>.xxx
func (s stamp) appendPayload(b []byte, size int) []byte {
	at := len(b)
	b = append(b, stampMark...)
	for _, v := range []int64{int64(s.kind), int64(s.sender), int64(s.seq), s.due} {
		b = append(strconv.AppendInt(b, v, 10), '.')
	}
	for len(b)-at < size-1 {
		b = append(b, 'x')
	}
	return append(b, '"')
}

// appendID makes the id of a message, from which its Ack is known: <kind>.<sender>.<seq>.<due>.
func (s stamp) appendID(b []byte) []byte {
	for _, v := range []int64{int64(s.kind), int64(s.sender), int64(s.seq), s.due} {
		b = append(strconv.AppendInt(b, v, 10), '.')
	}
	return b
}

// stampIn finds the stamp of a delivery.
func stampIn(text []byte) (stamp, bool) {
	i := bytes.Index(text, []byte(stampMark))
	if i < 0 {
		return stamp{}, false
	}
	return parseStamp(text[i+len(stampMark):])
}

// parseStamp reads what appendID wrote.
func parseStamp(b []byte) (s stamp, ok bool) {
	var v [4]int64
	for i := range v {
		j := 0
		for ; j < len(b) && '0' <= b[j] && b[j] <= '9'; j++ {
			v[i] = v[i]*10 + int64(b[j]-'0')
		}
		if j == 0 || j > 19 || j == len(b) || b[j] != '.' {
			return s, false
		}
		b = b[j+1:]
	}
	return stamp{int(v[0]), int(v[1]), uint32(v[2]), v[3]}, true
}

// number reads the decimal number behind the first mark in text; -1 where there is none.
func number(text []byte, mark string) int {
	_, rest, found := bytes.Cut(text, []byte(mark))
	i := 0
	for i < len(rest) && i < 18 && '0' <= rest[i] && rest[i] <= '9' {
		i++
	}
	n, err := strconv.Atoi(string(rest[:i]))
	if !found || err != nil {
		return -1
	}
	return n
}

// clock is CLOCK_MONOTONIC, in nanoseconds: the same in all processes of the machine, and never set.
type clock struct {
	base  int64
	since time.Time
}

func newClock() clock {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // it cannot fail
	return clock{base: ts.Nano(), since: time.Now()}
}

func (c clock) now() int64 { return c.base + int64(time.Since(c.since)) }
