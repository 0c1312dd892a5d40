// Package history gives topics and rooms a history: publications that are stored before anybody gets them,
// numbered without a gap, kept for a while, and never stored twice.
//
// The owner of a key keeps a Log of it. What is published is appended to the log and written as an Entry, in which
// everything travels that came in while the entry before was being written: one write of a key is under way
// at a time. Each write names the entry that it follows, and the Store refuses it when another follows that
// one already. So the entries of a key are one chain, whoever writes them: an owner that was deposed, or is
// only late, cannot fork it, and learns from the refusal to read what the other wrote.
//
// # What holds
//
//	I1  Offsets of an epoch grow by one, from 1, along the chain of entries.
//	I2  Who is told "stored" of a publication finds it in the chain, at that offset, until it is too old.
//	I3  A publication with an id is at most once in what the chain holds of DEDUPE_WINDOW.
//	I4  Nobody is delivered a publication before it is in the chain.
//
// A Log is pure: it does no I/O and reads no clock. Its shell is in the roles that own keys; the Store
// of JetStream is in pkg/history/stream.
package history
