package cluster

import (
	"math/bits"

	"github.com/zeebo/xxh3"
)

// Hash maps a key to the number that decides its owner and lane: its xxh3. It is part of
// the protocol between nodes: the same on each, and in each version of the program.
func Hash(key string) uint64 { return xxh3.HashString(key) }

// HashBytes is Hash for a key that is still bytes.
func HashBytes(key []byte) uint64 { return xxh3.Hash(key) }

// laneSalt sets Lane apart from View.Owner, which mixes the same hash with node IDs:
// without it, the keys of one owner might fall on a few of its lanes.
const laneSalt = 0x9e3779b97f4a7c15

// Lane is the lane of a key at its owner: 0 ≤ Lane < lanes, and 0 if lanes < 2. It is
// independent of what View.Owner makes of the hash.
func Lane(hash uint64, lanes int) int {
	if lanes < 2 {
		return 0
	}
	// The high word of the product is a fraction of lanes (Lemire, "Fast Random Integer
	// Generation in an Interval", 2019): no division.
	lane, _ := bits.Mul64(mix(hash^laneSalt), uint64(lanes))
	return int(lane)
}

// mix spreads every bit of x over all 64: the finalizer of SplitMix64 (variant 13 of
// Stafford, "Better Bit Mixing", 2011). A bijection.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	x ^= x >> 31
	return x
}
