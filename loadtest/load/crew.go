//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// crew is the workers as the conductor sees them. Orders are given by one goroutine.
type crew struct {
	workers []*hand

	mu     sync.Mutex // guards what follows
	totals histograms // of the whole run
	recent histograms // since takeRecent
	part   histograms // since takePart
	err    error      // the first that befell
}

// hand is one worker.
type hand struct {
	cmd     *exec.Cmd
	in      *json.Encoder
	end     io.Closer
	answers chan answer // to orders; closed when the worker has ended
	counts  counts      // guarded by the crew's mu
}

// startCrew starts workers, whose setups make makes.
func startCrew(n int, make_ func(i int) setup) (*crew, error) {
	c := &crew{totals: make(histograms), recent: make(histograms), part: make(histograms)}
	for i := range n {
		if err := c.hire(make_(i)); err != nil {
			c.close()
			return nil, fmt.Errorf("start worker %d: %w", i, err)
		}
	}
	return c, nil
}

func (c *crew) hire(s setup) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, workerFlag)
	cmd.Stderr = os.Stderr
	// Little garbage beside much memory that lives: collected early, as there are as many sockets as the machine bears.
	cmd.Env = append(os.Environ(), "GOMAXPROCS=2", "GOGC=50")
	// A group of its own: Ctrl-C is for the conductor.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	h := &hand{cmd: cmd, in: json.NewEncoder(in), end: in, answers: make(chan answer, 1)}
	c.workers = append(c.workers, h)
	go c.listen(h, json.NewDecoder(out))
	return h.in.Encode(s)
}

// listen takes what a worker says until it ends.
func (c *crew) listen(h *hand, out *json.Decoder) {
	defer close(h.answers)
	for {
		var a answer
		if err := out.Decode(&a); err != nil {
			if !errors.Is(err, io.EOF) {
				c.fail(fmt.Errorf("a worker's answer: %w", err))
			}
			return
		}
		c.mu.Lock()
		h.counts = a.Counts
		err := errors.Join(c.totals.merge(a.Hists), c.recent.merge(a.Hists), c.part.merge(a.Hists))
		c.mu.Unlock()
		c.fail(err)
		if !a.Tick {
			h.answers <- a
		}
	}
}

func (c *crew) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
}

// counts sums up what the workers said last.
func (c *crew) counts() counts {
	all := counts{Refused: make(map[string]int), Closed: make(map[string]int), Errors: make(map[string]int)}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.workers {
		all.add(h.counts)
	}
	return all
}

// takeRecent gives what was measured since it was called before.
func (c *crew) takeRecent() histograms { return c.take(&c.recent) }

// takePart does the same, for another caller.
func (c *crew) takePart() histograms { return c.take(&c.part) }

func (c *crew) take(from *histograms) histograms {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := *from
	*from = make(histograms)
	return h
}

// all gives every worker an order.
func (c *crew) all(o order) error {
	for i, h := range c.workers {
		if err := h.in.Encode(o); err != nil {
			return fmt.Errorf("worker %d: %w", i, err)
		}
	}
	return nil
}

// answers waits for one from each worker.
func (c *crew) answers() ([]answer, error) {
	list := make([]answer, len(c.workers))
	for i, h := range c.workers {
		a, ok := <-h.answers
		if !ok {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.err != nil {
				return nil, c.err
			}
			return nil, fmt.Errorf("worker %d ended", i)
		}
		list[i] = a
	}
	return list, nil
}

// do gives every worker an order and waits for the answers.
func (c *crew) do(o order) ([]answer, error) {
	if err := c.all(o); err != nil {
		return nil, err
	}
	return c.answers()
}

func (c *crew) pids() (list []int) {
	for _, h := range c.workers {
		list = append(list, h.cmd.Process.Pid)
	}
	return list
}

// close lets the workers end and waits for them.
func (c *crew) close() {
	for _, h := range c.workers {
		_ = h.end.Close()
	}
	for _, h := range c.workers {
		kill := time.AfterFunc(10*time.Second, func() { _ = h.cmd.Process.Kill() })
		for range h.answers {
		}
		_ = h.cmd.Wait()
		kill.Stop()
	}
}
