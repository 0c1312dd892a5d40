// Package supervise keeps the parts of a process running: goroutines that are to run until the process ends.
//
// One that panics, or returns before it was told to, is restarted after a pause that doubles with each failure. A part that
// fails again and again is given up, as its trouble lies deeper than its own state: the process is not ready any more, for
// long enough that load balancers notice, and then ends in good order, with an error. Whoever started the process starts
// another.
//
// What fails with one connection, one message or one call should not come this far: Call and Panicked are for those.
package supervise
