package checker

import (
	"fmt"
	"slices"
	"strings"
)

// merge looks for the one order of which each sequence is a subsequence, and
// returns why there is none: one cycle for each message that had to be taken
// out of turn. n is the number of messages.
//
// It takes, again and again, a message that stands at the head of every
// sequence that still holds it. When there is none, the sequences contradict
// each other. A merge of k sequences costs one step per delivery.
func merge(seqs []sequence, n int) []cycle {
	m := merger{
		seqs:   seqs,
		head:   make([]int, len(seqs)),
		holds:  make([]int32, n),
		atHead: make([]int32, n),
		taken:  make([]bool, n),
	}
	left := 0
	for _, s := range seqs {
		for _, i := range s.order {
			if m.holds[i]++; m.holds[i] == 1 {
				left++
			}
		}
	}
	for s := range seqs {
		m.expose(s)
	}
	var cycles []cycle
	for ; left > 0; left-- {
		if len(m.ready) == 0 {
			c := m.cycle()
			cycles = append(cycles, c)
			m.ready = append(m.ready, c[0].later)
		}
		i := m.ready[len(m.ready)-1]
		m.ready = m.ready[:len(m.ready)-1]
		m.take(i)
	}
	return cycles
}

type merger struct {
	seqs   []sequence
	head   []int   // by sequence: position of its first message not taken
	holds  []int32 // by message: how many sequences hold it
	atHead []int32 // by message: at how many heads it stands
	taken  []bool  // by message
	ready  []int32 // not taken, at the head of all that hold it
}

// expose moves s past taken messages and counts its new head.
func (m *merger) expose(s int) {
	order := m.seqs[s].order
	for m.head[s] < len(order) && m.taken[order[m.head[s]]] {
		m.head[s]++
	}
	if m.head[s] == len(order) {
		return
	}
	i := order[m.head[s]]
	if m.atHead[i]++; m.atHead[i] == m.holds[i] {
		m.ready = append(m.ready, i)
	}
}

func (m *merger) take(i int32) {
	m.taken[i] = true
	for s, seq := range m.seqs {
		if h := m.head[s]; h < len(seq.order) && seq.order[h] == i {
			m.expose(s)
		}
	}
}

// link says that a subscriber saw one message before another.
type link struct {
	sub            int
	earlier, later int32
}

// cycle is a chain of links of which each one's earlier is the next one's later,
// and the last one's earlier the first one's later.
type cycle []link

// cycle finds a contradiction among the heads: each head is buried in some
// other sequence, whose head is buried in turn; followed far enough, this comes
// back.
func (m *merger) cycle() cycle {
	at := make(map[int32]int) // message → position in chain
	var chain cycle
	s := 0
	for m.head[s] == len(m.seqs[s].order) {
		s++
	}
	i := m.seqs[s].order[m.head[s]]
	for {
		if from, ok := at[i]; ok {
			return chain[from:]
		}
		at[i] = len(chain)
		s = m.burying(i)
		e := m.seqs[s].order[m.head[s]]
		chain = append(chain, link{sub: s, earlier: e, later: i})
		i = e
	}
}

// burying is a sequence that holds i behind its head.
func (m *merger) burying(i int32) int {
	for s, seq := range m.seqs {
		if seq.has != nil && seq.has[i] && m.head[s] < len(seq.order) && seq.order[m.head[s]] != i &&
			slices.Contains(seq.order[m.head[s]:], i) {
			return s
		}
	}
	panic("checker: a message that is not ready stands at the head of all that hold it")
}

func (c cycle) describe(msgs []ref) string {
	parts := make([]string, len(c))
	for k, l := range c {
		a, b := msgs[l.earlier], msgs[l.later]
		parts[k] = fmt.Sprintf("subscriber %d saw %d/%d before %d/%d", l.sub, a.pub, a.n, b.pub, b.n)
	}
	return strings.Join(parts, ", ")
}
