// Package checker judges a run of the system from what its clients saw. It is
// told events (this subscriber saw that message, this publisher got that
// answer) and says which promises of the protocol they break. It has no clock
// and does no I/O; topics, publishers and subscribers are small integers, and
// a message is its publisher and its number: the publisher's messages count
// from 0 over all topics, in the order in which they were sent.
//
// # What is promised
//
// A window is a stretch of time around a fault, given by Unsettled; what lies in
// no window is settled. Whether settled or not:
//
//   - Nothing arrives that was not sent to that topic, or with another payload,
//     or at somebody who did not ask for the topic.
//   - Nothing arrives twice at a subscriber.
//   - What a publisher sent to a topic arrives at each subscriber in the order in
//     which it was sent.
//   - There is one order per topic: a single sequence of the topic's messages of
//     which every subscriber's sequence is a subsequence. This is more than "no
//     two subscribers saw a pair in opposite orders": it also excludes three
//     subscribers of whom one saw a before b, one b before c and one c before a.
//   - A message is answered at most once.
//
// And for what is settled:
//
//   - A message acked at a settled moment arrives at every subscriber whose
//     subscription was answered before the message was sent and who had not left
//     when it was acked, nor within Config.Lag after that. A message sent in a
//     window and acked after it counts: after the view settled, an Ack is a
//     promise.
//   - A message that was refused at a settled moment arrives at all of those or at
//     none: with the one order above, subscribers present all the time
//     therefore saw the same sequence.
//   - A message sent at a settled moment is answered.
//
// In a window, messages may be refused, go unanswered, or be acked and lost; the
// verdict counts them per window. In a window that Disturbed declares, nothing
// that is acked may be lost.
//
// # Rooms
//
// To the checker a room is a topic, its senders are publishers, and each
// connection of a member is a subscriber. A connection that comes in place of a
// lost one is a new subscriber and a new publisher, and so is one that comes
// back to a room it had left.
//
// # Mailboxes
//
// A mailbox is a topic whose messages are the direct messages to one user and
// whose subscribers are the user's connections. For it the promises differ:
//
//   - There need not be one order; that of each publisher holds at each
//     connection. In a window, and only there, a message that waited may come
//     behind later ones that did not.
//   - Acked as delivered, a message arrives at every connection that was open
//     throughout, as above. Acked as queued, in a window or not, it arrives at
//     some connection of the user and is marked there, unless none stayed to
//     the end.
//   - A message may come again at the same connection if it is marked as having
//     waited, and always under the same message_id.
//   - A message that was refused may arrive at any of the connections.
package checker
