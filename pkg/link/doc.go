// Package link makes the batches between two nodes arrive once and in order, or be
// known not to have.
//
// Core NATS is at most once: what is in flight when a server dies or a subscriber
// reconnects is gone, silently. A link numbers the batches from one loop or lane to one
// lane of another node, holds them until they are acknowledged, and sends them again when the
// receiver sees a gap, when nothing is heard for a while, or when the NATS
// connection comes back. What the server refused because nobody listened is known
// never to have arrived, so that it can go to the next owner without a risk of doubles.
//
// No more than a window is under way without an acknowledgement: what is sealed past it waits, up to
// the link's bound. So neither a receiver that is slow nor one that lost much is flooded.
//
// Out is the sending half, In the receiving one. Both are pure: they read no clock,
// and Out writes through a function. Each is owned by one goroutine. A link lives as
// long as both incarnations; a new incarnation begins new links at sequence number 1.
package link
