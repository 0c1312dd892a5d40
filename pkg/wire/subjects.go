package wire

import (
	"strconv"
	"strings"
)

// Every NATS subject of the cluster is made in this file. A node is named by the
// 16 hex digits of its ID.
const (
	prefixUp     = "rt.up."     // gateway → router, presence: batches
	prefixDown   = "rt.down."   // router, presence → gateway: batches
	prefixPeer   = "rt.peer."   // owner → owner: batches (forwards, releases)
	prefixBeat   = "rt.beat."   // every node → all: heartbeats, JSON
	prefixYield  = "rt.yield."  // gateway → gateway: give up a session; JSON
	prefixRefuse = "rt.refuse." // NATS server → sender: "no responders" for a batch

	prefixControl = "rt.control." // operator's tools → a process: requests, JSON
)

// Up is the subject of a router's or presence node's lane for gateways.
func Up(node uint64, lane int) string { return laneSubject(prefixUp, node, lane) }

// Down is the subject of a gateway's reader for owners.
func Down(node uint64, lane int) string { return laneSubject(prefixDown, node, lane) }

// Peer is the subject of an owner's lane for other owners.
func Peer(node uint64, lane int) string { return laneSubject(prefixPeer, node, lane) }

// Refuse is where the NATS server answers a sender whose batch found nobody
// listening. Two tokens after it tell which link's batch that was (AppendRefuse).
func Refuse(node uint64, lane int) string { return laneSubject(prefixRefuse, node, lane) }

// AppendRefuse appends the subject at which a refusal of batch seq of a link is answered.
func AppendRefuse(b []byte, refuse string, link, seq uint64) []byte {
	b = append(append(b, refuse...), '.')
	b = append(strconv.AppendUint(b, link, 10), '.')
	return strconv.AppendUint(b, seq, 10)
}

// ParseRefuse reads the link and the batch from a subject of AppendRefuse.
func ParseRefuse(subject string) (link, seq uint64, ok bool) {
	i := strings.LastIndexByte(subject, '.')
	j := strings.LastIndexByte(subject[:max(i, 0)], '.')
	if j < 0 {
		return 0, 0, false
	}
	link, err1 := strconv.ParseUint(subject[j+1:i], 10, 64)
	seq, err2 := strconv.ParseUint(subject[i+1:], 10, 64)
	return link, seq, err1 == nil && err2 == nil
}

// Yield is where a gateway, by NodeName, is asked to give up a session.
func Yield(node string) string { return prefixYield + node }

// Where the operator's tools ask: every process, or one of the gateways (a queue group).
const (
	ControlAll     = prefixControl + "all"
	ControlGateway = prefixControl + "gateway"
)

// Control is where the operator's tools ask one process, which it names itself.
func Control(process string) string { return prefixControl + "process." + process }

// Beat is the subject of the heartbeats of a role.
func Beat(role string) string { return prefixBeat + role }

// BeatAll matches the heartbeats of every role.
const BeatAll = prefixBeat + "*"

// NodeName is how a node's ID is written in subjects, logs and heartbeats.
func NodeName(id uint64) string {
	const digits = "0123456789abcdef"
	var b [16]byte
	for i := range b {
		b[i] = digits[id>>(60-4*i)&15]
	}
	return string(b[:])
}

func laneSubject(prefix string, node uint64, lane int) string {
	return prefix + NodeName(node) + "." + strconv.Itoa(lane)
}
