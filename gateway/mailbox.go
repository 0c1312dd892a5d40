package gateway

import (
	"slices"
	"sync"
)

// mailboxBound is how many bytes of down batches may wait for a loop; past it the reader
// waits, NATS holds what comes then, and drops past its own bound: the links repeat.
const mailboxBound = 64 << 20

// mail is what others give a loop: a down batch, or something to do.
type mail struct {
	batch []byte
	do    func(*loop)
}

// mailbox is how other goroutines reach a loop.
type mailbox struct {
	wake chan struct{} // holds one: there is mail

	mu     sync.Mutex
	room   sync.Cond // signalled when bytes shrinks, or closed
	list   []mail
	bytes  int
	closed bool
}

func newMailbox() *mailbox {
	m := &mailbox{wake: make(chan struct{}, 1)}
	m.room.L = &m.mu
	return m
}

// post puts something to do into the mailbox. It reports false when the loop has ended.
func (m *mailbox) post(do func(*loop)) bool { return m.put(mail{do: do}) }

// postBatch puts a down batch into the mailbox, and waits while that is too full.
func (m *mailbox) postBatch(b []byte) bool { return m.put(mail{batch: b}) }

func (m *mailbox) put(item mail) bool {
	m.mu.Lock()
	for item.batch != nil && m.bytes > mailboxBound && !m.closed {
		m.room.Wait()
	}
	if m.closed {
		m.mu.Unlock()
		return false
	}
	m.list = append(m.list, item)
	m.bytes += len(item.batch)
	first := len(m.list) == 1
	m.mu.Unlock()
	if first {
		select {
		case m.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// take returns all mail, and gives spare to be filled next.
func (m *mailbox) take(spare []mail) []mail {
	m.mu.Lock()
	list := m.list
	m.list, m.bytes = spare[:0], 0
	m.room.Broadcast()
	m.mu.Unlock()
	return list
}

// putBack puts what was taken in front of all mail, but for batches.
func (m *mailbox) putBack(list []mail) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list = slices.DeleteFunc(list, func(item mail) bool { return item.batch != nil })
	m.list = append(list, m.list...)
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// close refuses further mail and wakes who waits for room.
func (m *mailbox) close() {
	m.mu.Lock()
	m.closed = true
	m.room.Broadcast()
	m.mu.Unlock()
}
