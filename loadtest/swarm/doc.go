// Package swarm holds thousands of client sockets on one goroutine and one epoll
// descriptor, so that measuring a server costs little beside the server. It is
// for benchmarks on Linux; tests that need one honest client use package client.
//
// It reads only as much of JSON as it must, and relies on the server writing it
// without spaces and sending each message in one frame.
package swarm
