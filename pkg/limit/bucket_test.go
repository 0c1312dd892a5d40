package limit

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

const millisecond = int64(time.Millisecond)

// world is some Buckets that share one budget, and what they let through.
type world struct {
	*testing.T
	rate, burst float64
	buckets     []Bucket
	now         int64
	allowed     []int64 // when
}

// share divides the budget anew.
func (w *world) share(r *rand.Rand) {
	demands, sum := make([]float64, len(w.buckets)), 0.0
	for i := range demands {
		demands[i] = []float64{0, 0.2, 1, 3}[r.IntN(4)]
		sum += demands[i]
	}
	for i := range w.buckets {
		s := Share(demands[i], sum, len(demands))
		w.buckets[i].Set(NewRate(w.rate*s, w.burst*s), w.now)
	}
}

// check holds every window against the budget.
func (w *world) check(seed uint64) {
	w.Helper()
	least := 0.0 // of i - rate × allowed[i]: where a window had best begin
	for i, at := range w.allowed {
		x := w.rate * float64(at) / 1e9
		if i == 0 || float64(i)-x < least {
			least = float64(i) - x
		}
		// A bucket's burst is one at least, however small its share.
		if n := float64(i+1) - x - least; n > w.burst+float64(len(w.buckets))+1e-6 {
			w.Fatalf("seed %d: %v more than the rate allows up to %v; burst %v", seed, n, time.Duration(at), w.burst)
		}
	}
}

// However messages come, shares are moved about, and some are given back, the Buckets together let no more through than the
// rate and the burst allow.
func TestSharedBucketsStayWithinTheBudget(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 7))
		w := &world{T: t, rate: float64(1 + r.IntN(2000)), burst: float64(1 + r.IntN(200)), buckets: make([]Bucket, 1+r.IntN(5))}
		for i := range w.buckets {
			w.buckets[i] = NewBucket(NewRate(w.rate/float64(len(w.buckets)), w.burst/float64(len(w.buckets))))
		}
		for range 3000 {
			w.now += r.Int64N(int64(3e9 / w.rate))
			b := &w.buckets[r.IntN(len(w.buckets))]
			switch r.IntN(30) {
			case 0:
				w.share(r)
			case 1: // a batch, of which some is given back
				n := b.TakeSome(1+r.IntN(20), w.now)
				back := 0
				if n > 0 {
					back = r.IntN(n + 1)
				}
				b.Give(back)
				for range n - back {
					w.allowed = append(w.allowed, w.now)
				}
			case 2: // allowed, and refused elsewhere
				if b.Take(w.now) {
					b.Give(1)
				}
			default:
				if b.Take(w.now) {
					w.allowed = append(w.allowed, w.now)
				} else {
					b.Wait(w.now)
				}
			}
		}
		w.check(seed)
	}
}

// Under more than the budget, all of it is used, however often shares are moved.
func TestSharedBucketsUseTheBudget(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	w := &world{T: t, rate: 1000, burst: 100, buckets: make([]Bucket, 3)}
	for i := range w.buckets {
		w.buckets[i] = NewBucket(NewRate(w.rate/3, w.burst/3))
	}
	for ; w.now < 20*int64(time.Second); w.now += millisecond {
		for i := range w.buckets {
			for range 3 {
				if w.buckets[i].Take(w.now) {
					w.allowed = append(w.allowed, w.now)
				}
			}
		}
		if w.now%(250*millisecond) == 0 {
			w.share(r)
		}
	}
	if n := len(w.allowed); n < 19000 || n > 20200 {
		t.Errorf("%d of 20000 were let through", n)
	}
	w.check(0)
}

// Those who are refused and come back when they were told find room, all of them; so does each alone.
func TestWaitingHelps(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 9))
		b := NewBucket(NewRate(float64(1+r.IntN(1000)), float64(1+r.IntN(20))))
		var now int64
		var due []int64
		for b.Take(now) {
		}
		for range 1 + r.IntN(int(min(1000, float64(queueTime)/float64(b.rate.interval)))+1) {
			if !b.Take(now) {
				due = append(due, now+int64(b.Wait(now)))
			}
		}
		for i, at := range due {
			if i > 0 && at <= due[i-1] && at != due[0] {
				t.Fatalf("seed %d: %v is told after %v", seed, at, due[i-1])
			}
			if i > 0 && at == due[0] {
				break // it began again
			}
			if !b.Take(at) {
				t.Fatalf("seed %d: the %d-th of %d found nothing at the time that it was told", seed, i+1, len(due))
			}
		}
	}
}

func TestWaitBeginsAgain(t *testing.T) {
	b := NewBucket(NewRate(100, 1))
	b.Take(0)
	told := make(map[time.Duration]int)
	for range 1000 {
		told[b.Wait(0)]++
	}
	if len(told) != 100 {
		t.Fatalf("%d different times", len(told))
	}
	for wait, n := range told {
		if n != 10 || wait > time.Second {
			t.Errorf("%d were told to wait %v", n, wait)
		}
	}
	if wait := b.Wait(5 * int64(time.Second)); wait != 0 {
		t.Errorf("long after: %v", wait)
	}
}

// A change of the rate neither gives nor takes messages, but above the new burst.
func TestSetKeepsWhatIsLeft(t *testing.T) {
	now := int64(time.Second)
	b := NewBucket(NewRate(100, 50))
	for range 30 {
		b.Take(now)
	}
	for _, step := range []struct {
		rate, burst float64
		left        int64
	}{{50, 25, 20}, {10, 5, 5}, {100, 50, 5}, {1e6, 1e6, 5}, {0.5, 1, 1}} {
		b.Set(NewRate(step.rate, step.burst), now)
		if left := b.Left(now); left != step.left && left != step.left-1 { // rounded down
			t.Errorf("%v at once: %d left, want %d", step.burst, left, step.left)
		}
	}
}

func TestShare(t *testing.T) {
	for _, c := range []struct{ demands, want []float64 }{
		{[]float64{0}, []float64{1}},
		{[]float64{7}, []float64{1}},
		{[]float64{0, 0}, []float64{0.5, 0.5}},
		{[]float64{0.6, 0.1}, []float64{0.75, 0.25}},
		{[]float64{0.9, 0}, []float64{0.95, 0.05}},
		{[]float64{1.8, 0.2}, []float64{0.88, 0.12}},
		{[]float64{9, 0, 0, 0, 0}, []float64{0.96, 0.01, 0.01, 0.01, 0.01}},
	} {
		sum, all := 0.0, 0.0
		for _, d := range c.demands {
			sum += d
		}
		for i, d := range c.demands {
			got := Share(d, sum, len(c.demands))
			if all += got; math.Abs(got-c.want[i]) > 1e-9 {
				t.Errorf("%v of %v: %v, want %v", d, c.demands, got, c.want[i])
			}
		}
		if math.Abs(all-1) > 1e-9 {
			t.Errorf("the shares for %v add up to %v", c.demands, all)
		}
	}
}

// Gateways that tell each other once a second what they would use have settled after three rounds, and are never given more than
// there is while they know the same.
func TestSharesSettle(t *testing.T) {
	const gateways, rate, tick = 8, 10000.0, 250
	r := rand.New(rand.NewPCG(5, 5))
	meters := make([]Meter, gateways)
	told := make([]float64, gateways)
	load := make([]float64, gateways)
	for at := 0; at < 120_000; at += tick {
		if at%20_000 == 0 {
			for i := range load {
				load[i] = []float64{0, 100, 2000, 8000}[r.IntN(4)]
			}
		}
		now := int64(at) * millisecond
		for i := range meters {
			meters[i].Rate(now)
			meters[i].Add(int(load[i] * tick / 1000))
			if (at/tick+i)%4 == 0 {
				told[i] = meters[i].Rate(now)
			}
		}
		var sum, loads, shares float64
		for i := range told {
			sum += told[i]
			loads += load[i]
		}
		for i := range told {
			share := Share(told[i]/rate, sum/rate, gateways)
			shares += share
			if want := Share(load[i]/rate, loads/rate, gateways); at%20_000 > 4000 && math.Abs(share-want) > 0.02 {
				t.Errorf("at %d ms gateway %d has %v, want %v", at, i, share, want)
			}
		}
		if shares > 1+1e-9 {
			t.Fatalf("at %d ms %v of the budget is given out", at, shares)
		}
	}
}

func BenchmarkBucket(b *testing.B) {
	bucket := NewBucket(NewRate(1e9, 1e9))
	for now := int64(0); b.Loop(); now++ {
		bucket.Take(now)
	}
}
