package gateway_test

import (
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/tidwall/gjson"
)

// ear reads a connection all the time, for tests in which much happens at once.
type ear struct {
	k *talk

	mu      sync.Mutex
	got     []gjson.Result // guarded by mu: what has come but replies
	replies map[string]chan gjson.Result
}

// listen begins to read; the connection is the ear's from here on.
func (k *talk) listen() *ear {
	e := &ear{k: k, got: k.passed, replies: make(map[string]chan gjson.Result)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.read()
	}()
	k.t.Cleanup(func() {
		_ = k.conn.Close()
		<-done
	})
	return e
}

func (e *ear) read() {
	for {
		f, err := e.k.read()
		if err != nil {
			if timeout, ok := err.(interface{ Timeout() bool }); ok && timeout.Timeout() {
				continue // nothing was said
			}
			return
		}
		switch f.Header.OpCode {
		case ws.OpPing:
			e.k.write(ws.NewPongFrame(f.Payload))
		case ws.OpText:
			e.hear(gjson.ParseBytes(f.Payload))
		}
	}
}

func (e *ear) hear(m gjson.Result) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if reply := e.replies[m.Get("id").Str]; reply != nil {
		delete(e.replies, m.Get("id").Str)
		reply <- m
		return
	}
	e.got = append(e.got, m)
}

// reply is that to a message with an id.
func (e *ear) reply(message string) gjson.Result {
	reply := make(chan gjson.Result, 1)
	e.mu.Lock()
	e.replies[gjson.Get(message, "id").Str] = reply
	e.mu.Unlock()
	e.k.send(message)
	select {
	case m := <-reply:
		return m
	case <-time.After(patience):
		e.k.t.Errorf("no reply to %s", message)
		return gjson.Result{}
	}
}

// heard is what has come of a type.
func (e *ear) heard(kind string) (list []gjson.Result) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, m := range e.got {
		if m.Get("type").Str == kind {
			list = append(list, m)
		}
	}
	return list
}
