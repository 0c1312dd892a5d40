package store

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxRevoked is the length bound of what a Revocation names, in bytes.
const MaxRevoked = 128

var (
	// ErrRevoked is what Check says of a token, in words for the client.
	ErrRevoked = errors.New("token is revoked")

	// ErrRevocation is wrapped by what Revoke says of a Revocation that means nothing, in words for who asked for it.
	ErrRevocation = errors.New("not a revocation")

	// ErrRevocationsFull refuses a Revocation because there are as many as there can be.
	ErrRevocationsFull = errors.New("too many revocations")
)

// Kind says what a Revocation is about.
type Kind string

// The kinds of revocations.
const (
	KindUser       Kind = "user"       // the tokens of a user that were issued up to At, refresh tokens included
	KindToken      Kind = "token"      // one access token, by its ID: the claim jti
	KindFamily     Kind = "family"     // the access and refresh tokens of a family
	KindDisconnect Kind = "disconnect" // no token: the connections of a user that were opened up to At
)

// Revocation makes tokens void before they expire, or ends connections.
type Revocation struct {
	Kind  Kind
	Name  string    // of the user, token or family: 1 to MaxRevoked bytes of UTF-8
	At    time.Time // when it was revoked, to the millisecond; zero: now
	Until time.Time // when it is forgotten; zero: after the life of tokens that Revocations knows, or disconnectTime
}

const (
	// disconnectTime is how long a disconnection waits for gateways that have no Redis. Later it
	// would end connections that are new.
	disconnectTime = 30 * time.Second

	// openSlack is how far the clocks of two gateways may be apart for a disconnection.
	openSlack = 2 * time.Second

	// maxTerm bounds Until: farther away than any token's end, and not out of the reach of arithmetic.
	maxTerm = 100 * 365 * 24 * time.Hour
)

// complete checks r and fills in what is zero.
func (r Revocation) complete(now time.Time, keep time.Duration) (Revocation, error) {
	switch r.Kind {
	case KindUser, KindToken, KindFamily, KindDisconnect:
	default:
		return r, fmt.Errorf("%w: kind is none of user, token, family, disconnect", ErrRevocation)
	}
	if r.Name == "" || len(r.Name) > MaxRevoked || !utf8.ValidString(r.Name) {
		return r, fmt.Errorf("%w: %s is not 1 to %d bytes of UTF-8", ErrRevocation, r.Kind, MaxRevoked)
	}
	if r.At.IsZero() {
		r.At = now
	}
	if r.Until.IsZero() {
		if r.Kind == KindDisconnect {
			keep = disconnectTime
		}
		r.Until = r.At.Add(keep)
	}
	if !r.Until.After(now) || !r.Until.After(r.At) || r.Until.Sub(now) > maxTerm || r.At.Unix() < 0 {
		return r, fmt.Errorf("%w: its end is not in a future it could be in", ErrRevocation)
	}
	r.At, r.Until = r.At.Truncate(time.Millisecond), r.Until.Truncate(time.Millisecond)
	return r, nil
}

// Concerns tells whether r ends a connection: that of a user, opened at a time by this machine's clock, with a token
// of an ID and family, empty where there is none, whose user signed in at since, as Check takes it.
func (r Revocation) Concerns(user, id, family string, since, opened time.Time) bool {
	switch r.Kind {
	case KindUser:
		return r.Name == user && !since.After(r.At)
	case KindToken:
		return r.Name == id
	case KindFamily:
		return r.Name == family
	case KindDisconnect:
		return r.Name == user && !opened.After(r.At.Add(openSlack))
	}
	return false
}

// who is what Redis knows r by.
func (r Revocation) who() string { return string(r.Kind) + " " + r.Name }

// parseRevocation reads what revoke.lua keeps. What another program wrote there is an error.
func parseRevocation(who, term string) (Revocation, error) {
	kind, name, _ := strings.Cut(who, " ")
	from, till, _ := strings.Cut(term, " ")
	at, err := strconv.ParseInt(from, 10, 64)
	until, errUntil := strconv.ParseInt(till, 10, 64)
	if err = errors.Join(err, errUntil); err != nil {
		return Revocation{}, fmt.Errorf("read revocation: %w", err)
	}
	return Revocation{Kind: Kind(kind), Name: name, At: time.UnixMilli(at), Until: time.UnixMilli(until)}, nil
}
