// Package disk is a file system that knows what of it would outlive a power loss.
//
// Processes see what they wrote. Beside it the Disk keeps what was made safe, which is all that is left after Cut:
//
//   - Sync of a file makes its bytes and its length safe, and its name: that it was made or renamed, and the same of
//     the directories above it.
//   - Sync of a directory makes safe what was made, renamed and removed in it, and that it exists.
//   - Nothing else is safe, however long ago it was written. A rename is safe as a whole or not at all.
//
// That is what ext4 with its default options grants, and less: there a sync of one file makes names of all
// others safe, too, and all is written after some seconds anyway.
//
// What is not safe may have reached the disk all the same. With a source of randomness Cut keeps some of it: the
// changes of names up to some point, as a journal does, and any of the pages that were written, of some only the first
// sectors.
package disk
