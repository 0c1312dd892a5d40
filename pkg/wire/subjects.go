package wire

import "strconv"

// Every NATS subject of the cluster is made in this file. A node is named by the
// 16 hex digits of its ID.
const (
	prefixUp     = "rt.up."     // gateway → router, presence: batches
	prefixDown   = "rt.down."   // router, presence → gateway: batches
	prefixPeer   = "rt.peer."   // owner → owner: batches (forwards, releases)
	prefixBeat   = "rt.beat."   // every node → all: heartbeats, JSON
	prefixRefuse = "rt.refuse." // NATS server → sender: "no responders" for a batch
)

// Up is the subject of a router's or presence node's lane for gateways.
func Up(node uint64, lane int) string { return laneSubject(prefixUp, node, lane) }

// Down is the subject of a gateway's reader for owners.
func Down(node uint64, lane int) string { return laneSubject(prefixDown, node, lane) }

// Peer is the subject of an owner's lane for other owners.
func Peer(node uint64, lane int) string { return laneSubject(prefixPeer, node, lane) }

// Refuse is where the NATS server answers a sender whose batch found nobody
// listening. Tokens after it (see RefuseSlot) tell the sender which link and batch.
func Refuse(node uint64, lane int) string { return laneSubject(prefixRefuse, node, lane) }

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
