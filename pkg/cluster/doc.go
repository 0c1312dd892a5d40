// Package cluster tells a node who is alive and who owns a key.
//
// Every node publishes a heartbeat on NATS each BeatInterval (see [Beat]). From what it
// hears, each derives a [View] per role: the live nodes, and a version that depends on that
// list alone, so that two nodes that agree on the list agree on the version without a word
// exchanged. A key belongs to the node of the view that rendezvous hashing picks
// ([View.Owner]): when a node comes or goes, only its own share of the keys moves.
//
// # A node's life
//
//	           hello                Activate              Leave            Run returns
//	(unknown) ───────▶ Joining ─────────────▶ Active ───────────▶ Leaving ───────▶ gone
//	                   in no list            owns keys           owns nothing
//
// A node that starts says hello, and everyone who hears it beats at once. A registry in
// JetStream would tell the newcomer the same, and is deliberately absent: hello needs no
// quorum and no disk on the way of live traffic, and a registry whose entries live 15 s or
// longer could only add the names of the dead. [Member.Ready] closes when the look around
// is over.
//
// # Who is dead
//
// A node is dead when nothing has been heard of it for DeadAfter. Silence is evidence only
// while we listen, so three things suspend or extend the deadline: our own NATS link is
// down, our own beats no longer come back to us (the NATS server hangs), or our own timer
// comes late (the process was stopped or starved).
//
// Where a process ended, its NATS server knows that at once, and tells everyone who sends
// to it: "no responders". Who is told says so in its beats ([Member.Suspect]), and from
// then on SuspectAfter of silence is enough. It is a hint and no proof, as a node that
// reconnects to NATS is not there for a moment either: the suspect that hears of it beats
// at once, and any beat of it ends the suspicion. Nodes that nobody sends to die at
// DeadAfter.
//
// A death is remembered for a minute. Whoever was declared dead and still beats is told so
// in our next beats, takes a new incarnation ([Ref].Inc) and goes on under it: others have
// meanwhile given its keys away, and must not mistake it for the node they knew. A node
// that finds itself to have been stopped for longer than DeadAfter does so unasked, and so
// does one whose link was down for so long that its death may have been forgotten.
//
// Two halves of a partitioned NATS cluster declare each other dead; when it heals, every
// node of both takes a new incarnation. What is lost with that is what owners must be able
// to lose anyway: their state is told to them again.
//
// # In code
//
// [Members] is the logic, without clock or I/O; [Member] runs it on a NATS connection.
package cluster
