package gateway

import (
	"sync"
	"testing"
	"testing/synctest"
)

// Batches past the bound wait until the loop has taken what there is; things to do do not.
func TestMailboxBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMailbox()
		full := make([]byte, mailboxBound+1)
		m.postBatch(full)
		var waiting sync.WaitGroup
		delivered := 0
		for range 3 {
			waiting.Go(func() {
				if !m.postBatch(full) {
					t.Error("refused by a mailbox that is open")
				}
				m.mu.Lock()
				delivered++
				m.mu.Unlock()
			})
		}
		m.post(func(*loop) {})
		for round := range 3 {
			synctest.Wait()
			if delivered != round {
				t.Fatalf("%d batches over the bound were let in after %d takes", delivered, round)
			}
			<-m.wake
			list := m.take(nil)
			if want := 1 + (2-round)/2; len(list) != want { // the first time with something to do
				t.Fatalf("round %d: took %d of mail, want %d", round, len(list), want)
			}
		}
		waiting.Wait()
	})
}

// Who waits for room is told when the loop has ended, and so is who comes later.
func TestMailboxClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMailbox()
		m.postBatch(make([]byte, mailboxBound+1))
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if m.postBatch([]byte{1}) {
				t.Error("a batch was taken by a mailbox that was closed")
			}
		})
		synctest.Wait()
		m.close()
		waiting.Wait()
		if m.post(func(*loop) {}) || m.postBatch(nil) {
			t.Error("mail was taken by a mailbox that was closed")
		}
	})
}

// The loop is woken by the first mail, once, however much follows; what is posted while it
// works on what it took wakes it again.
func TestMailboxWakesOnce(t *testing.T) {
	m := newMailbox()
	var spare []mail
	for round := range 3 {
		for range 10 {
			m.post(func(*loop) {})
		}
		select {
		case <-m.wake:
		default:
			t.Fatalf("round %d: not woken", round)
		}
		if spare = m.take(spare); len(spare) != 10 {
			t.Fatalf("round %d: took %d", round, len(spare))
		}
		select {
		case <-m.wake:
			t.Fatalf("round %d: woken for nothing", round)
		default:
		}
	}
}
