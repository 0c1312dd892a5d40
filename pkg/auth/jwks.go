package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/zap"
)

const (
	fetchTimeout = 5 * time.Second

	refreshEvery = 5 * time.Minute // after a success
	retryFirst   = 500 * time.Millisecond
	retryMost    = 30 * time.Second // after failures, doubling up to this

	startWait  = 3 * time.Second // New waits this long for the first set
	askEvery   = 5 * time.Second // unknown keys cause one fetch in this time
	askWait    = 2 * time.Second // a token with an unknown key waits this long for it
	maxWaiting = 128             // tokens that wait at once; others are refused without waiting
)

// jwks is a JSON Web Key Set (RFC 7517) kept like the one at a URL. It is fetched now and
// again, and when a token names a key that is not in it: keys rotate. While the server is
// away the last set stays in force. run owns the fetching; lookups may come from anywhere.
type jwks struct {
	url    string // static, as are all but mu's fields
	log    *zap.Logger
	client *http.Client
	store  *usableKeys
	find   jwt.Keyfunc

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
func newJWKS(ctx context.Context, rawURL string, log *zap.Logger) (*jwks, error) {
	u, err := url.Parse(rawURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, errors.New("JWT_JWKS_URL: must be an http or https URL")
	}
	store := &usableKeys{MemoryJWKSet: jwkset.NewMemoryStorage()}
	found, err := keyfunc.New(keyfunc.Options{Ctx: ctx, Storage: store})
	if err != nil {
		return nil, fmt.Errorf("JWT_JWKS_URL: %w", err)
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	return &jwks{
		url:     rawURL,
		log:     log,
		client:  &http.Client{Transport: bounded{transport}},
		store:   store,
		find:    found.Keyfunc,
		asked:   make(chan struct{}, 1),
		waiting: make(chan struct{}, maxWaiting),
		done:    make(chan struct{}),
		fetched: make(chan struct{}),
	}, nil
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
	for retry := retryFirst; ctx.Err() == nil; {
		wait := refreshEvery
		if err := j.fetch(ctx); err == nil {
			retry = retryFirst
		} else if ctx.Err() == nil {
			j.log.Warn("fetch token keys", zap.Error(err), zap.Duration("retry_in", retry))
			wait, retry = retry, min(2*retry, retryMost)
		}
		timer := time.NewTimer(wait)
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

	// With a storage and no interval this is one request, its answer written to the storage.
	_, err := jwkset.NewStorageFromHTTP(j.url, jwkset.HTTPClientStorageOptions{
		Client: j.client, Ctx: ctx, HTTPTimeout: fetchTimeout, Storage: j.store,
	})

	j.mu.Lock()
	defer j.mu.Unlock()
	j.fetching = false
	j.ever = j.ever || err == nil
	j.last = time.Now()
	close(j.fetched)
	j.fetched = make(chan struct{})
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

// ask wants the set fetched, unless that was done a moment ago, and reports whether a fetch
// has ended since.
func (j *jwks) ask() bool {
	j.mu.Lock()
	fetched, fetching := j.fetched, j.fetching
	recent := !j.last.IsZero() && time.Since(j.last) < askEvery
	j.mu.Unlock()
	if recent && !fetching {
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
