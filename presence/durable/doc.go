// Package durable keeps the rooms that outlive everybody, and who is in them, in a JetStream
// key-value bucket.
//
// # Keys
//
//	r.<room>.h         the head: whether the room exists, and its latest change
//	r.<room>.p         its properties, written once
//	r.<room>.m.<user>  one member, or somebody invited
//	u.<user>           the rooms of a user
//
// The head is the room's fence. Its sequence number is the room's revision; whoever changes the
// room writes the change into the head first, and JetStream takes that only from one who knows the
// head's latest sequence. Of two owners that both believe in their view exactly one wins, the other
// gets ErrConflict and has to load the room again. The member's own key is written second, on the
// condition that the head is still the same; if the writer dies between the two, the next Load
// finds the change in the head and finishes it.
//
// The condition names one literal subject and not all of the room's: for a wildcard the server
// walks every member, under the lock of the whole stream, for every write (1 ms at 20,000 members).
//
// # Survival
//
// Acknowledged writes survive the crash of any process and, with three replicas, the loss of one
// NATS server. Deletions leave markers that vanish after ten minutes; what is left of a room whose
// creation or deletion broke off is invisible, and removed by the next Create or Delete of that name.
package durable
