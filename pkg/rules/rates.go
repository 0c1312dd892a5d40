package rules

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	maxRates   = 50_000 // keys whose rate is known
	fewRates   = 1024   // so many are not worth a sweep
	sweepPause = int64(time.Second)
)

// rates are the rate limits' words, one for each key in use. Their number is bounded: when there are too many,
// those that say no more than a new one would go, and then any, which is counted: that key begins anew.
type rates struct {
	words   map[rateKey]*int64
	begin   time.Time // that the words count from
	sweepAt int       // how many there are at the next sweep
	swept   int64
	evicted prometheus.Counter // nil: not counted
}

type rateKey struct {
	id        limiterID
	kind      Kind
	key, user string
}

// take asks a limiter for one more message.
func (r *rates) take(l *limiter, m *Message, now time.Time) (wait time.Duration, ok bool) {
	if r.words == nil {
		r.words, r.begin, r.sweepAt = make(map[rateKey]*int64), now, fewRates
	}
	at := int64(now.Sub(r.begin))
	k := rateKey{id: l.id, kind: m.Kind, key: m.Key}
	if l.perUser {
		k.user = m.User
	}
	word := r.words[k]
	if word == nil {
		word = new(int64)
		r.room(at)
		k.key, k.user = strings.Clone(k.key), strings.Clone(k.user)
		r.words[k] = word
	}
	return l.rate.Take(word, at)
}

// room makes room for one more.
func (r *rates) room(at int64) {
	if len(r.words) >= r.sweepAt && at-r.swept >= sweepPause {
		for k, word := range r.words {
			if *word <= at {
				delete(r.words, k)
			}
		}
		r.swept, r.sweepAt = at, min(max(2*len(r.words), fewRates), maxRates)
	}
	if len(r.words) < maxRates {
		return
	}
	for k := range r.words {
		delete(r.words, k)
		break
	}
	if r.evicted != nil {
		r.evicted.Inc()
	}
}

// retain forgets what belongs to limiters that set does not have.
func (r *rates) retain(set *Set) {
	if len(r.words) == 0 {
		return
	}
	there := make(map[limiterID]bool)
	for _, rule := range set.rules {
		for _, a := range rule.actions {
			if a.limit != nil {
				there[a.limit.id] = true
			}
		}
	}
	for k := range r.words {
		if !there[k.id] {
			delete(r.words, k)
		}
	}
}
