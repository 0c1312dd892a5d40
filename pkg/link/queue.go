package link

import "github.com/realtime-cluster/realtime/pkg/wire"

// batch is one sealed batch of an Out.
type batch struct {
	seq     uint64
	buf     []byte
	sent    uint32 // how many times
	refused uint32 // how many of these the server answered with "no responders"
}

// queue is a ring of batches that keeps its memory, but not that of a bad time.
type queue struct {
	ring  []batch
	head  int
	count int
}

func (q *queue) len() int        { return q.count }
func (q *queue) at(i int) *batch { return &q.ring[(q.head+i)&(len(q.ring)-1)] }

func (q *queue) push(b batch) {
	if q.count == len(q.ring) {
		grown := make([]batch, max(8, 2*len(q.ring)))
		for i := range q.count {
			grown[i] = *q.at(i)
		}
		q.ring, q.head = grown, 0
	}
	q.count++
	*q.at(q.count - 1) = b
}

func (q *queue) pop() batch {
	b := *q.at(0)
	*q.at(0) = batch{}
	q.head = (q.head + 1) & (len(q.ring) - 1)
	if q.count--; q.count == 0 && len(q.ring) > queueKeep {
		q.ring, q.head = nil, 0
	}
	return b
}

// queueKeep is how many places an empty queue keeps: what a window takes, and some.
const queueKeep = 2 * windowBatches

// Pool keeps the buffers of batches for the Outs of one goroutine, which owns it.
type Pool struct{ free [][]byte }

const (
	poolBuffers   = 64
	poolMaxBuffer = 2 * wire.MaxBatch
)

func (p *Pool) get() []byte {
	if n := len(p.free); n > 0 {
		b := p.free[n-1]
		p.free[n-1] = nil
		p.free = p.free[:n-1]
		return b
	}
	return make([]byte, 0, 512)
}

func (p *Pool) put(b []byte) {
	if len(p.free) < poolBuffers && cap(b) <= poolMaxBuffer {
		p.free = append(p.free, b[:0])
	}
}
