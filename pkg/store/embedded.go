package store

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sys/unix"
)

// maxTick is the longest step of the keys' clock: append.lua gives keys so much longer.
const maxTick = time.Second

// embedded is a store in this process, without persistence: what it holds ends with it. What every connection needs is in
// memory; queues, refresh tokens and revocations are in a Redis that speaks
// Redis's protocol over socket pairs, so that the same client, scripts and breaker run as with a
// real one, and no port is open. That is no server for production: single-threaded, and every
// script costs some hundred microseconds.
type embedded struct {
	server *miniredis.Miniredis
	memory *memory
	ticked time.Time // owned by Run: until when keys have aged
}

func newEmbedded() (*embedded, error) {
	e := &embedded{server: miniredis.NewMiniRedis(), memory: newMemory(), ticked: time.Now()}
	// The first Dial starts the server without a listener. Its pipes are not used: they
	// have no buffer, so a pipeline longer than one read would block both sides.
	first, err := e.server.Dial()
	if err != nil {
		return nil, err
	}
	return e, first.Close()
}

func (e *embedded) connect() redis.UniversalClient {
	return redis.NewClient(&redis.Options{
		Addr:   "embedded",
		Dialer: func(context.Context, string, string) (net.Conn, error) { return e.dial() },

		MaxRetries:            noRetries,
		DialerRetries:         dialTries,
		ContextTimeoutEnabled: true,
	})
}

func (e *embedded) dial() (net.Conn, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	client, err := fileConn(pair[0])
	if err != nil {
		return nil, errors.Join(err, unix.Close(pair[1]))
	}
	server, err := fileConn(pair[1])
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	e.server.Server().ServeConn(server)
	return client, nil
}

// fileConn takes fd over, and closes it when it fails.
func fileConn(fd int) (net.Conn, error) {
	file := os.NewFile(uintptr(fd), "embedded redis")
	conn, err := net.FileConn(file) // its own duplicate
	return conn, errors.Join(err, file.Close())
}

// tick ages the keys: the server itself has no clock for them. It ages also those that are younger than
// the last tick, which is why they are given maxTick more than they need.
func (e *embedded) tick(now time.Time) {
	e.server.FastForward(min(now.Sub(e.ticked), maxTick))
	e.ticked = now
	e.memory.tick(now)
}

func (e *embedded) close() { e.server.Close() }
