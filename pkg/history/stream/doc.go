// Package stream is the history.Store of JetStream.
//
// The entries of a rule are in eight streams, rt_history_<rule>_<p>; a key belongs to one of them by its hash and
// has one subject there, so that a stream's sequence numbers are those of the chains of its keys. Every write
// carries the sequence number that the subject must have had before, which the stream's leader checks; it refuses a
// write also while another of the subject is on its way to the replicas.
//
// A stream is found, or made, at the first use of one of its keys. It forgets entries by their age; what a rule
// says about the number of publications is up to who calls Trim.
package stream
