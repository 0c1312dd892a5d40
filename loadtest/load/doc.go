// Load puts the load of many clients on a cluster and reports how it bore it:
// latencies, lost and repeated messages, and what CPU and memory the servers took.
// loadtest/README.md says how to run it and what its figures mean.
//
// The program that is started is the conductor. It starts workers, which are this
// program again, each with a goroutine that drives some thousands of sockets by
// epoll. The two speak lines of JSON over pipes: orders one way, answers and once a
// second a tick the other way (orders.go). The phases of a run are in run.go.
//
// Messages are sent at times that are fixed beforehand, however the servers
// answer, and each latency counts from the time at which its message was to be
// sent: a server that stands still for a second is seen to delay all messages of
// that second. Each message names its sender and its number among the sender's, so that
// every receiver knows which it must see next (recorder.go).
package main
