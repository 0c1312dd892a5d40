package gateway

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-cluster/realtime/pkg/protocol"
)

// While a loop rests, deliveries wait and what is a connection's own does not, but neither overtakes the other, nobody
// misses anything, not even by the slot of a connection that has ended, and nothing waits for longer than it was said to.
func TestRestingLoopKeepsOrder(t *testing.T) {
	waited, soon := 0, 0
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 3))
		l := idleLoop(t, nil, nil)
		l.now = time.Now()
		type peer struct {
			c    *conn
			fd   int32
			want []byte // all that it is to get
			own  int    // of want, up to the last frame of its own
			got  []byte
		}
		var peers []*peer
		join := func() {
			c, fd := l.connect(t)
			peers = append(peers, &peer{c: c, fd: fd})
		}
		for range 8 {
			join()
		}
		read := func() {
			buf := make([]byte, 1<<16)
			for _, p := range peers {
				n, _ := readSocket(p.fd, buf)
				p.got = append(p.got, buf[:n]...)
			}
		}
		for turn := range 200 {
			text := fmt.Appendf(nil, "%d", turn)
			for range r.IntN(3) {
				_, frame := protocol.AppendControl(nil, ws.OpPing, append(text, 'd'))
				at := l.enter(frame)
				for _, p := range peers {
					if r.IntN(2) == 0 {
						l.mark(p.c, at)
						p.want = append(p.want, frame...)
					}
				}
			}
			for range r.IntN(3) {
				p := peers[r.IntN(len(peers))]
				before := len(l.arena)
				l.sendControl(p.c, ws.OpPing, append(text, 'o'))
				p.want = append(p.want, l.arena[before:]...)
				p.own = len(p.want)
			}
			if r.IntN(20) == 0 { // one leaves, and another takes its slot
				i := r.IntN(len(peers))
				l.drop(peers[i].c, endGone)
				peers[i] = peers[len(peers)-1]
				peers = peers[:len(peers)-1]
				join()
			}
			resting := l.rested.After(l.now)
			wait := l.drainTurn()
			if wait != 0 && (!resting || wait != l.rested.Sub(l.now)) {
				t.Fatalf("seed %d: deliveries wait for %v, in a loop that rests for %v", seed, wait, l.rested.Sub(l.now))
			}
			read()
			for i, p := range peers {
				if !bytes.HasPrefix(p.want, p.got) || len(p.got) < p.own || wait == 0 && len(p.got) < len(p.want) {
					t.Fatalf("seed %d, turn %d, connection %d, waiting %v: got %q of %q", seed, turn, i, wait, p.got, p.want)
				}
				if len(p.got) < len(p.want) {
					waited++
				}
				if p.own > 0 && p.own == len(p.got) {
					soon++
				}
			}
			l.now = l.now.Add(time.Duration(r.IntN(3)) * time.Millisecond)
			l.rested = l.now.Add(time.Duration(r.IntN(5)-1) * time.Millisecond)
		}
		l.endRest()
		read()
		for _, p := range peers {
			if !bytes.Equal(p.got, p.want) {
				t.Errorf("seed %d: got %d bytes of %d", seed, len(p.got), len(p.want))
			}
		}
		if len(l.marked)+len(l.urgent)+len(l.nodes)+len(l.frames)+len(l.arena) != 0 {
			t.Errorf("seed %d: something is kept", seed)
		}
	}
	if waited == 0 || soon == 0 {
		t.Errorf("%d deliveries waited, %d frames did not", waited, soon)
	}
}

// endRest has a loop write what waits.
func (l *loop) endRest() {
	l.rested = time.Time{}
	l.drainTurn()
}
