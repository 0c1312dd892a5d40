// Package owner is the one mechanism by which a node owns keys: topics in a router;
// users and rooms in a presence node.
//
// A node runs lanes, each a goroutine that alone touches its state. A key
// belongs to one lane of one node of the role's current view (cluster.View.Owner,
// cluster.Lane). What the keys mean is the lane's Handler; this package brings it the
// records of the keys that it owns, in order, and carries its answers back.
//
// # When the view changes
//
// Keys move, and a moved key must neither lose nor reorder what is published to it while
// some nodes still go by the old view. For each new view:
//
//  1. A gateway's loop tells each new owner the keys that moved to it, and then tells every
//     lane Synced(view): from here on it sends by that view.
//  2. A lane that has heard Synced(view) from every loop of every gateway knows that nothing sent
//     by an older view can still reach it. It has forwarded what was not its own any
//     more; once the gateways have acknowledged all it ever sent them, it tells
//     Released(view) to every lane of the other owners, and forgets the moved keys.
//  3. A lane that has heard all of Synced(view) and Released(view) opens. Until then it keeps the
//     records of keys that moved to it waiting: what was forwarded to it comes first, then
//     what it got itself, as that is the order in which the senders sent.
//
// A node that is dead is in no view, so nobody waits for it. HoldMax bounds the waiting
// all the same, counted and logged: a stuck gateway delays a moved key, it does not stop it.
//
// A record by a view that this lane does not know yet waits for the view; one by a view
// that is past is forwarded to its owner, once, never in a circle. What a loop sent to several
// owners by views that followed each other within moments may meet at the next one with its order
// unknown: then some of it is refused (Lane.openWaiting).
//
// What a gateway tells of its own accord is taken by whoever it tells, at once, and forgotten
// when everybody goes by a view that gives the key to others: whoever comes back with the key tells it
// again. A lane that nobody tells of a view in between may keep a loop's interest for too
// long, never forget it too early. A loop that gets what it has no use for says Leave.
package owner
