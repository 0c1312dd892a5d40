//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/tidwall/gjson"
	"golang.org/x/sys/unix"

	"github.com/realtime-cluster/realtime/loadtest/swarm"
	"github.com/realtime-cluster/realtime/loadtest/usage"
)

// workerFlag makes this program a worker.
const workerFlag = "-worker"

// workerMain is a worker: it takes orders from its input until that ends.
func workerMain() int {
	signal.Ignore(os.Interrupt, syscall.SIGTERM) // the conductor says when it is over
	runtime.LockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // sends are due to the microsecond; without, they are up to 50 µs late
	if err := work(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "load: worker:", err)
		return 1
	}
	return 0
}

func work(in io.Reader, out io.Writer) error {
	if _, err := usage.RaiseDescriptors(); err != nil {
		return err
	}
	dec := json.NewDecoder(in)
	var set setup
	if err := dec.Decode(&set); err != nil {
		return fmt.Errorf("read setup: %w", err)
	}
	w, err := newWorker(set, json.NewEncoder(out))
	if err != nil {
		return err
	}
	defer w.swarm.Close()
	orders := make(chan order)
	go func() {
		defer close(orders)
		for {
			var o order
			if dec.Decode(&o) != nil {
				return
			}
			orders <- o
		}
	}()
	return w.run(orders)
}

// worker drives the connections whose number, modulo the number of workers, is its own. All of it belongs to
// the goroutine of run.
type worker struct {
	set   setup
	names names
	clock clock
	out   *json.Encoder
	swarm *swarm.Swarm
	rng   *rand.Rand

	conns   []conn
	locals  []int32 // by socket: the index in conns
	again   waitlist
	ramp    *ramp   // while doConnect goes on
	sending *sender // while doSend goes on
	target  int     // that is drained; -1

	rec      *recorder
	flights  map[message]struct{} // messages without an answer
	refused  []message
	sent     [][]uint32 // by kind and connection
	counts   counts
	hists    histograms
	buf, tag []byte
}

func newWorker(set setup, out *json.Encoder) (*worker, error) {
	sw, err := swarm.New()
	if err != nil {
		return nil, err
	}
	w := &worker{
		set: set, names: names{set.Run}, clock: newClock(), out: out, swarm: sw, target: -1,
		rng:   rand.New(rand.NewPCG(uint64(set.Index), 1)),
		conns: make([]conn, (set.Total-set.Index+set.Workers-1)/set.Workers),
		sent:  make([][]uint32, len(set.Kinds)), flights: make(map[message]struct{}), hists: make(histograms),
		counts: counts{Refused: make(map[string]int), Closed: make(map[string]int), Errors: make(map[string]int)},
	}
	w.rec = newRecorder(set.Kinds, len(w.conns), w.number)
	for i := range w.sent {
		w.sent[i] = make([]uint32, set.Total)
	}
	sw.Patient, sw.Source = true, set.Source
	sw.Text, sw.Welcomed, sw.Ready, sw.Closed = w.text, w.welcomed, w.ready, w.closed
	return w, nil
}

// number is that of a connection among those of all workers.
func (w *worker) number(local int) int { return local*w.set.Workers + w.set.Index }

// mine is how many of the first n connections are this worker's.
func (w *worker) mine(n int) int { return (n - w.set.Index + w.set.Workers - 1) / w.set.Workers }

// run obeys orders until there are no more, and does meanwhile what is due.
func (w *worker) run(orders <-chan order) error {
	const patience = 10 * time.Millisecond // of orders
	tick := w.clock.now() + int64(w.set.Tick)
	for {
		select {
		case o, more := <-orders:
			if !more {
				return nil
			}
			if err := w.obey(o); err != nil {
				return err
			}
		default:
		}
		now := w.clock.now()
		if now >= tick {
			if err := w.report(answer{Tick: true}); err != nil {
				return err
			}
			tick = max(tick+int64(w.set.Tick), now)
		}
		next := min(tick, now+int64(patience))
		for _, do := range []func(now int64) (next int64, err error){w.reopen, w.open, w.send} {
			due, err := do(now)
			if err != nil {
				return err
			}
			next = min(next, due)
		}
		if _, err := w.swarm.Poll(time.Duration(next - w.clock.now())); err != nil {
			return err
		}
	}
}

func (w *worker) obey(o order) error {
	switch o.Do {
	case doConnect:
		w.ramp = w.newRamp(o)
		return nil // answered by open
	case doSend:
		w.sending = w.newSender(o)
		return nil // answered by send
	case doHalt:
		for _, goesOn := range []bool{w.ramp != nil, w.sending != nil} {
			if goesOn {
				if err := w.answer(answer{}); err != nil {
					return err
				}
			}
		}
		w.ramp, w.sending = nil, nil
		return nil
	case doFlush:
		return w.report(answer{})
	case doState:
		return w.answer(answer{})
	case doAccount:
		return w.answer(w.account())
	case doVerify:
		return w.answer(answer{Wrong: w.verify(o)})
	case doDrain:
		w.target = o.Target
		for i := range w.conns {
			if w.conns[i].stage == there && int(w.conns[i].target) == o.Target {
				w.conns[i].drained = true
				w.counts.Drain.Held++
			}
		}
		return w.answer(answer{})
	}
	return fmt.Errorf("unknown order %q", o.Do)
}

func (w *worker) answer(a answer) error {
	w.counts.InFlight = len(w.flights)
	w.counts.Greeting = w.swarm.Greeting()
	a.Counts = w.counts
	if err := w.out.Encode(a); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return nil
}

// report answers with what was measured since it did so before.
func (w *worker) report(a answer) (err error) {
	if a.Hists, err = w.hists.encode(); err != nil {
		return err
	}
	return w.answer(a)
}

// account is what this worker's connections sent, and what got no Ack.
func (w *worker) account() (a answer) {
	for kind, list := range w.sent {
		for c, n := range list {
			if n > 0 {
				a.Sent = append(a.Sent, triple{kind, c, int(n)})
			}
		}
	}
	for _, m := range w.refused {
		a.Excused = append(a.Excused, triple{m.kind, m.sender, int(m.seq)})
	}
	for m := range w.flights {
		a.Excused = append(a.Excused, triple{m.kind, m.sender, int(m.seq)})
	}
	return a
}

func (w *worker) verify(o order) wrongs {
	sent := make([][]uint32, len(w.set.Kinds))
	for i := range sent {
		sent[i] = make([]uint32, w.set.Total)
	}
	for _, t := range o.Sent {
		sent[t[0]][t[1]] = uint32(t[2])
	}
	excused := make(map[message]bool)
	for _, t := range o.Excused {
		excused[message{t[0], t[1], uint32(t[2])}] = true
	}
	return w.rec.verify(sent, excused)
}

// text is the swarm's callback.
func (w *worker) text(socket int, text []byte) error {
	w.counts.Bytes += len(text)
	local := int(w.locals[socket])
	typ, id := envelope(text)
	if len(id) > 0 {
		w.answered(string(typ) == "Error", id, text)
		return nil
	}
	switch string(typ) {
	case "Broadcast", "RoomMessage", "DirectMessage", "Presence":
		if s, ok := stampIn(text); ok {
			w.delivered(local, s)
			return nil
		}
	case "Error":
		w.counts.Errors[errorCode(text)]++
		return nil
	case "Status":
		if ms := number(text, `"reconnect_after_ms":`); ms >= 0 {
			w.conns[local].told(ms)
			if w.conns[local].drained {
				w.counts.Drain.Told++
				w.counts.Drain.MostMS = max(w.counts.Drain.MostMS, ms)
			}
			return nil
		}
	}
	w.counts.Others++
	return nil
}

// envelope finds a message's type, and what begins with its id. The servers write these first, others need not.
func envelope(text []byte) (typ, id []byte) {
	rest, ok := bytes.CutPrefix(text, []byte(`{"type":"`))
	if !ok {
		m := gjson.ParseBytes(text)
		return []byte(m.Get("type").Str), []byte(m.Get("id").Str)
	}
	typ, rest, _ = bytes.Cut(rest, []byte(`"`))
	id, _ = bytes.CutPrefix(rest, []byte(`,"id":"`))
	if len(id) == len(rest) {
		return typ, nil
	}
	return typ, id
}

func (w *worker) delivered(local int, s stamp) {
	if !w.rec.arrived(local, s) {
		return
	}
	w.counts.Delivered++
	d := time.Duration(w.clock.now() - s.due)
	w.hists.add(histDelivery, d)
	if len(w.set.Kinds) > 1 {
		w.hists.add(w.set.Kinds[s.kind].Name, d)
	}
}

// answered takes the answer to a message.
func (w *worker) answered(refused bool, id, text []byte) {
	s, ok := parseStamp(id)
	m := message{s.kind, s.sender, s.seq}
	if _, flies := w.flights[m]; !ok || !flies {
		w.counts.Errors["stray answer"]++
		return
	}
	delete(w.flights, m)
	if refused {
		w.counts.Errors[errorCode(text)]++
		w.counts.Expected -= w.set.Kinds[m.kind].receivers(m.sender)
		w.refused = append(w.refused, m)
		return
	}
	w.counts.Acked++
	w.hists.add(histAck, time.Duration(w.clock.now()-s.due))
}

func errorCode(text []byte) string {
	if n := number(text, `"code":`); n >= 0 {
		return strconv.Itoa(n)
	}
	return "without a code"
}

// reason names the end of a connection in few words.
func reason(why error) string {
	if e := new(swarm.CloseError); errors.As(why, &e) {
		return strconv.Itoa(e.Code)
	}
	if e := new(swarm.RefusedError); errors.As(why, &e) {
		return "HTTP " + strconv.Itoa(e.Status)
	}
	if e := new(swarm.GreetingError); errors.As(why, &e) {
		return "Error " + errorCode([]byte(e.Text))
	}
	var errno syscall.Errno
	if errors.As(why, &errno) {
		return errno.Error()
	}
	return "no close frame"
}
