package auth

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/circuit"
	"github.com/realtime-cluster/realtime/pkg/metric"
	"github.com/realtime-cluster/realtime/pkg/supervise"
)

const (
	fetchTime  = 5 * time.Second // of a fetch, repeats included
	fetchTries = 3
	fetchPause = 200 * time.Millisecond // a try is repeated after 0 to fetchPause × tries so far, unless it took too long

	refreshEvery = 5 * time.Minute // after a success
	awayTime     = 2 * time.Second // after a failure, and for as long again at random; no fetch is made meanwhile
	tripRow      = 2               // fetches that fail in a row and open the circuit; until one has succeeded, the first does

	startWait  = 3 * time.Second // New waits this long for the first set
	askEvery   = 5 * time.Second // unknown keys cause one fetch in this time
	askWait    = 2 * time.Second // a token with an unknown key waits this long for it
	maxWaiting = 128             // tokens that wait at once; others are refused without waiting
)

// jwks is a JSON Web Key Set (RFC 7517) kept like the one at a URL. It is fetched now and
// again, and when a token names a key that is not in it: keys rotate. While the server is
// away the circuit breaker is open: the last set stays in force, and tokens with keys that it does not have are refused
// without a wait. run owns the fetching; lookups may come from anywhere.
type jwks struct {
	url     string // static, as are all but mu's fields
	client  *http.Client
	store   *usableKeys
	find    jwt.Keyfunc
	breaker *circuit.Breaker
	fetches *prometheus.CounterVec // by outcome

	asked   chan struct{} // of size 1: a lookup wants a fetch
	waiting chan struct{} // of size maxWaiting: a place per waiting lookup
	done    chan struct{} // closed at the end of run

	mu       sync.Mutex
	fetched  chan struct{} // guarded by mu: closed at the end of the present or next fetch
	fetching bool          // guarded by mu
	ever     bool          // guarded by mu: some fetch has succeeded
	last     time.Time     // guarded by mu: when the last fetch ended
}

// newJWKS checks the URL. It starts nothing, run does.
func newJWKS(ctx context.Context, cfg Config) (*jwks, error) {
	u, err := url.Parse(cfg.JWKSURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, errors.New("JWT_JWKS_URL: must be an http or https URL")
	}
	store := &usableKeys{MemoryJWKSet: jwkset.NewMemoryStorage()}
	found, err := keyfunc.New(keyfunc.Options{Ctx: ctx, Storage: store})
	if err != nil {
		return nil, fmt.Errorf("JWT_JWKS_URL: %w", err)
	}
	log := cfg.Log
	if log == nil {
		log = zap.NewNop()
	}
	f := metric.For(cfg.Registerer, cfg.Role)
	j := &jwks{
		url:     cfg.JWKSURL,
		client:  &http.Client{Transport: bounded{&http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}},
		store:   store,
		find:    found.Keyfunc,
		asked:   make(chan struct{}, 1),
		waiting: make(chan struct{}, maxWaiting),
		done:    make(chan struct{}),
		fetched: make(chan struct{}),
		fetches: f.CounterVec(metric.TokenKeys, "outcome"),
		breaker: circuit.NewBreaker(circuit.Config{
			Dependency: "jwks",
			Open:       awayTime,
			Eager:      true,
			Trips:      func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= tripRow },
			Explain:    withoutURL,
			Metrics:    circuit.NewMetrics(f, "jwks"),
			Log:        log,
			Lost: "the token keys of JWT_JWKS_URL are away: those known stay in force, tokens signed with others are refused " +
				"until it is back",
			Back: "the token keys of JWT_JWKS_URL are back",
		}),
	}
	for _, outcome := range []string{"fetched", "failed"} {
		j.fetches.WithLabelValues(outcome)
	}
	return j, f.Err()
}

// withoutURL is err without the URL, which may hold a password.
func withoutURL(err error) error {
	if asked := new(url.Error); errors.As(err, &asked) {
		err = asked.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %v", fetchTime)
	}
	return err
}

// start runs run and waits for the end of its first fetch, within startWait.
func (j *jwks) start(ctx context.Context) {
	fetched := j.fetched // run has not begun, so it needs no lock yet
	go j.run(ctx)
	timer := time.NewTimer(startWait)
	defer timer.Stop()
	select {
	case <-fetched:
	case <-timer.C:
	case <-j.done:
	}
}

// run fetches the set until ctx ends: now, then at intervals, sooner after a failure or when
// a lookup asked.
func (j *jwks) run(ctx context.Context) {
	defer close(j.done)
	for ctx.Err() == nil {
		wait := refreshEvery
		if j.fetch(ctx) != nil { // the breaker has heard it
			wait = awayTime
		}
		timer := time.NewTimer(wait + rand.N(wait)) // not with all other gateways at once
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-j.asked:
		}
		timer.Stop()
	}
}

// fetch replaces the set by the server's, or leaves it as it is, and wakes those who wait.
func (j *jwks) fetch(ctx context.Context) error {
	j.mu.Lock()
	j.fetching = true
	j.mu.Unlock()

	err := j.breaker.Do(ctx, func() error {
		within, cancel := context.WithTimeout(ctx, fetchTime)
		defer cancel()
		again := func(error) bool { return within.Err() == nil }
		return circuit.Retry(within, fetchTries, fetchPause, again, func() error {
			return supervise.Call(func() error { return j.get(within) }) // whatever the answer does to its parser
		})
	})
	outcome := "fetched"
	if err != nil {
		outcome = "failed"
	}
	j.fetches.WithLabelValues(outcome).Inc()

	j.mu.Lock()
	defer j.mu.Unlock()
	j.fetching = false
	j.ever = j.ever || err == nil
	j.last = time.Now()
	close(j.fetched)
	j.fetched = make(chan struct{})
	return err
}

// get makes one request.
func (j *jwks) get(ctx context.Context) error {
	// With a storage and no interval this is one request, its answer written to the storage.
	_, err := jwkset.NewStorageFromHTTP(j.url, jwkset.HTTPClientStorageOptions{
		Client: j.client, Ctx: ctx, HTTPTimeout: fetchTime, Storage: j.store,
	})
	return err
}

// key returns the key or keys that may verify t, whose algorithm is one of the asymmetric
// three. It may wait for a fetch, within askWait.
func (j *jwks) key(t *jwt.Token) (any, error) {
	key, err := j.lookup(t)
	if errors.Is(err, ErrUnknownKey) && j.ask() {
		key, err = j.lookup(t)
	}
	if errors.Is(err, ErrUnknownKey) && !j.reached() {
		err = ErrKeysAway
	}
	return key, err
}

// reached reports whether some fetch has succeeded.
func (j *jwks) reached() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.ever
}

func (j *jwks) lookup(t *jwt.Token) (any, error) {
	key, err := j.find(t)
	switch {
	case errors.Is(err, jwkset.ErrKeyNotFound):
		return nil, ErrUnknownKey
	case err != nil: // the key is for another algorithm, or its name is no string
		return nil, ErrAlgorithm
	}
	if set, ok := key.(jwt.VerificationKeySet); ok {
		if len(set.Keys) == 0 {
			return nil, ErrUnknownKey
		}
		return set, nil
	}
	// Keys of the set verify one algorithm each, whether or not the set says so.
	if alg, err := algorithm(key); err != nil || alg != t.Method.Alg() {
		return nil, ErrAlgorithm
	}
	return key, nil
}

// ask wants the set fetched, unless that was done a moment ago or the server is away, and reports whether a
// fetch has ended since.
func (j *jwks) ask() bool {
	j.mu.Lock()
	fetched, fetching := j.fetched, j.fetching
	recent := !j.last.IsZero() && time.Since(j.last) < askEvery
	j.mu.Unlock()
	if recent && !fetching || j.breaker.State() != gobreaker.StateClosed {
		return false
	}
	select {
	case j.waiting <- struct{}{}:
		defer func() { <-j.waiting }()
	default:
		return false
	}
	if !fetching {
		select {
		case j.asked <- struct{}{}:
		default:
		}
	}
	timer := time.NewTimer(askWait)
	defer timer.Stop()
	select {
	case <-fetched:
		return true
	case <-j.done:
	case <-timer.C:
	}
	return false
}
