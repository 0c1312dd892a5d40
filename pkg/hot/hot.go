// Package hot finds which keys come most often, among any number of them, in little time and memory.
package hot

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// every is of how many keys one is looked at, on average.
	every = 16

	// slots is how many keys a window counts. What has more than a part in slots of all is among them.
	slots = 64

	// window is over which time rates are told.
	window = 10 * time.Second
)

// Counter counts keys. It is the Space-Saving summary of Metwally, Agrawal and El Abbadi, "Efficient Computation of Frequent
// and Top-k Elements in Data Streams" (2005), of a sample of the keys, for the window that runs and for the one before.
type Counter struct {
	mu          sync.Mutex
	began       time.Time // of the window that runs
	now, before summary
}

// Sampler is one goroutine's way to a Counter.
type Sampler struct {
	counter *Counter
	skip    int
}

// Rate is how often a key came.
type Rate struct {
	Key       string  `json:"key"`
	PerSecond float64 `json:"per_second"`
}

// Sampler returns a way to count for one goroutine.
func (c *Counter) Sampler() Sampler { return Sampler{counter: c} }

// Note counts a key. It keeps no hold of it, and allocates nothing but for the first keys.
func (s *Sampler) Note(key string) {
	if s.skip > 0 {
		s.skip--
		return
	}
	s.skip = rand.IntN(2*every - 1) // not every 16th: keys may take turns
	s.counter.note(key, time.Now())
}

func (c *Counter) note(key string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn(at)
	c.now.add(key)
}

// turn begins a new window where the one that runs is over.
func (c *Counter) turn(at time.Time) {
	past := at.Sub(c.began)
	if past < window {
		return
	}
	c.now, c.before = c.before, c.now
	c.now.used = 0
	if past >= 2*window {
		c.before.used = 0
	}
	c.began = at
}

// Top returns the up to n keys that came most often of late, with estimates of their rates: what the window before had,
// as far as it lies within the last 10 s, and what came since. They are rather too low than too high.
func (c *Counter) Top(n int) []Rate { return c.top(n, time.Now()) }

func (c *Counter) top(n int, at time.Time) []Rate {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn(at)
	counts := make(map[string]float64)
	c.now.each(func(key string, count float64) { counts[key] += count })
	left := 1 - at.Sub(c.began).Seconds()/window.Seconds()
	c.before.each(func(key string, count float64) { counts[key] += count * left })
	rates := make([]Rate, 0, len(counts))
	for key, count := range counts {
		if count > 0 {
			rates = append(rates, Rate{key, count * every / window.Seconds()})
		}
	}
	slices.SortFunc(rates, func(a, b Rate) int {
		if a.PerSecond != b.PerSecond {
			if a.PerSecond > b.PerSecond {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Key, b.Key)
	})
	return slices.Clone(rates[:min(n, len(rates))])
}

// summary counts the keys of one window.
type summary struct {
	slot [slots]slot
	used int
}

type slot struct {
	key   []byte
	count uint32
	over  uint32 // how much of count may have been other keys'
}

func (s *summary) add(key string) {
	least := 0
	for i := range s.slot[:s.used] {
		if string(s.slot[i].key) == key {
			s.slot[i].count++
			return
		}
		if s.slot[i].count < s.slot[least].count {
			least = i
		}
	}
	over := s.slot[least].count
	if s.used < slots {
		least, over = s.used, 0
		s.used++
	}
	p := &s.slot[least]
	p.key = append(p.key[:0], key...)
	p.count, p.over = over+1, over
}

func (s *summary) each(visit func(key string, count float64)) {
	for i := range s.slot[:s.used] {
		p := &s.slot[i]
		visit(string(p.key), float64(p.count-p.over))
	}
}
