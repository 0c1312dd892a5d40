package limit

import "time"

// queueTime is how far ahead those who are refused are told to come back, one behind the other.
const queueTime = int64(time.Second)

// Bucket is what one of several has of a common budget: a Rate that may change. Not safe for concurrent use.
type Bucket struct {
	rate Rate
	tat  int64
	next int64 // the time that whoever is refused next is told
}

// NewBucket returns a full Bucket.
func NewBucket(r Rate) Bucket { return Bucket{rate: r} }

// Rate is the rate as it is now.
func (b *Bucket) Rate() Rate { return b.rate }

// Take asks for one.
func (b *Bucket) Take(now int64) bool {
	_, ok := b.rate.Take(&b.tat, now)
	return ok
}

// TakeSome takes up to n, and returns how many.
func (b *Bucket) TakeSome(n int, now int64) int {
	if have := b.Left(now); have < int64(n) {
		n = int(have)
	}
	if n > 0 {
		b.tat = max(b.tat, now) + b.rate.interval*int64(n)
	}
	return n
}

// Give gives back n that were taken and not used.
func (b *Bucket) Give(n int) { b.rate.Give(&b.tat, n) }

// Left is how many Take would allow now, one after the other.
func (b *Bucket) Left(now int64) int64 { return max(0, b.slack(now)/b.rate.interval) }

// slack is the time that what is left would take.
func (b *Bucket) slack(now int64) int64 {
	return now + b.rate.tolerance + b.rate.interval - max(b.tat, now)
}

// Full reports whether nothing is taken that was not made up for: a new Bucket of the same rate would do
// the same.
func (b *Bucket) Full(now int64) bool { return b.tat <= now }

// Wait tells one who was refused how long to wait. Those who are refused one after the other are told
// times one after the other, for a second; then it begins again. Nothing is set aside for them: others who ask in between take what
// comes, so that a time that was told is one at which there is enough for all who keep to theirs.
func (b *Bucket) Wait(now int64) time.Duration {
	first := b.tat - b.rate.tolerance // when Take would allow one
	if first <= now {
		return 0
	}
	if b.next < first || b.next-first >= max(queueTime, 2*b.rate.interval) {
		b.next = first
	}
	at := b.next
	b.next += b.rate.interval
	return time.Duration(at - now)
}

// Set changes the rate. What was left stays, as a number, up to the new burst: growing gives nothing that
// others may have spent, so that a budget which is moved to and fro among Buckets is not spent twice.
func (b *Bucket) Set(r Rate, now int64) {
	if r == b.rate {
		return
	}
	left := float64(max(0, b.slack(now))) / float64(b.rate.interval)
	full := r.tolerance + r.interval
	b.tat = now + full - min(full, int64(left*float64(r.interval)))
	b.rate, b.next = r, 0
}
