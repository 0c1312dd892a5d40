// Package wire is what nodes say to each other over NATS: the subjects, the
// batch that every NATS message is, and the records in it.
//
// # Flow of a Broadcast
//
//	gateway loop ── Publish ──▶ rt.up.<router>.<lane>     the topic's owner
//	router lane  ── Deliver ──▶ rt.down.<gateway>.<lane>  each gateway with a subscriber
//	             ── Reply   ──▶ rt.down.<gateway>.<lane>  the sender's Ack
//
// A batch begins with a fixed header (Header) and goes on with records, each a
// 4-byte length, a kind byte and a body. A reader skips a kind that it does not know
// and ignores what follows the fields it does, so that nodes of two releases can
// talk during a rolling upgrade; a batch of another format version is refused whole.
//
// Integers are little endian. Decoded strings and byte slices alias the batch:
// who keeps one longer than the batch copies it.
package wire
