// Package history judges what clients saw of topics and rooms with history: it is told events (this writer sent
// that message, this reader got it at that position) and says which promises of the protocol they break. It has no
// clock and does no I/O. Its memory is about 40 bytes a message, whatever the number of readers.
//
// Topics and rooms are keys, and keys, writers and readers are small integers. A message is its writer and its
// number: the writer's messages count from 0 over all keys.
//
// # What is promised
//
//   - An acked message is stored: History has it, at the offset and in the epoch of the Ack.
//   - A message is stored once, however often its writer sent it, and an Ack that says duplicate answers
//     a message that was sent before.
//   - There is one history: at one position no two clients see different messages, be it in a delivery, an
//     Ack or History. What was delivered is in History.
//   - Offsets grow by one and the epoch stays: nothing that the checker hears of may void a history.
//   - What a writer sends to a key after the Ack of an earlier message has a higher offset than that. Of what it
//     sent to a key over one connection and only once, the later has the higher offset.
//
// And to a reader, from the position that it was told first:
//
//   - Each message arrives, in order, up to the end of the history, over as many connections as it takes.
//   - Where that cannot be, it is told so (a gap, or a recovery that is not whole) before the next message.
//     As the histories of these tests keep what they store, see Config.Size, that is not to be.
//   - On one connection nothing arrives twice. On a resumed session a reader may get again what it had: it drops
//     what is not above its last offset, and the verdict counts that.
//
// A loose reader is not told positions (it subscribed by a pattern). What it misses between two connections is no
// loss; within one it is told of gaps like the others.
package history
