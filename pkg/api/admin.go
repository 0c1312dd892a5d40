package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/auth"
	"github.com/realtime-cluster/realtime/pkg/store"
)

// admin lets those in whose token has the permission.
func (s *server) admin(do func(context.Context, *http.Request, *auth.Claims) answer) func(context.Context, *http.Request) answer {
	return func(ctx context.Context, r *http.Request) answer {
		if s.cfg.Revocations == nil {
			return refuse(http.StatusNotFound, "nothing can be revoked here: there is no Redis")
		}
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "Bearer") || token == "" {
			return refuse(http.StatusUnauthorized, "no token")
		}
		claims, err := s.cfg.Verifier.Verify(token)
		switch {
		case errors.Is(err, auth.ErrKeysAway):
			return away(err.Error())
		case err != nil:
			return refuse(http.StatusUnauthorized, err.Error())
		}
		if err := s.cfg.Revocations.Check(claims.User, claims.ID, claims.Family, claims.Since()); err != nil {
			return refuse(http.StatusUnauthorized, err.Error())
		}
		if !slices.Contains(claims.Permissions, Admin) {
			return refuse(http.StatusForbidden, "the token lacks the permission "+Admin)
		}
		return do(ctx, r, claims)
	}
}

// revoke makes tokens void before they expire, and ends their connections.
func (s *server) revoke(ctx context.Context, r *http.Request, by *auth.Claims) answer {
	var body revokeRequest
	if no := read(r, &body); no != nil {
		return *no
	}
	v, no := s.revocation(&body)
	if no != nil {
		return *no
	}
	return s.order(ctx, v, by)
}

// revokeRequest is what is to be revoked: one of the first four.
type revokeRequest struct {
	User    string   `json:"user"`     // all tokens issued up to now
	TokenID string   `json:"token_id"` // the claim jti
	Family  string   `json:"family"`   // the claim family
	Token   string   `json:"token"`    // an access token itself
	TTL     *float64 `json:"ttl"`      // for how many seconds it is remembered; nil: as long as a token may live
}

// ttlMost is the longest ttl in seconds, ten years.
const ttlMost = 10 * 365 * 24 * 3600

func (s *server) revocation(b *revokeRequest) (v store.Revocation, no *answer) {
	bad := func(message string) (store.Revocation, *answer) {
		a := refuse(http.StatusBadRequest, message)
		return store.Revocation{}, &a
	}
	v.At = time.Now()
	given := 0
	for kind, name := range map[store.Kind]string{store.KindUser: b.User, store.KindToken: b.TokenID, store.KindFamily: b.Family} {
		if name != "" {
			v.Kind, v.Name = kind, name
			given++
		}
	}
	if b.Token != "" {
		given++
	}
	if given != 1 {
		return bad("one of user, token_id, family and token is needed")
	}
	if b.Token != "" {
		claims, err := s.cfg.Verifier.Verify(b.Token)
		switch {
		case errors.Is(err, auth.ErrKeysAway):
			a := away(err.Error())
			return v, &a
		case err != nil:
			return bad("token: " + err.Error())
		case claims.ID == "":
			return bad("token: has no jti, revoke its user or family")
		}
		v.Kind, v.Name, v.Until = store.KindToken, claims.ID, claims.ExpiresAt.Add(s.cfg.Leeway+time.Minute)
	}
	if b.TTL != nil {
		if !(*b.TTL >= 1 && *b.TTL <= ttlMost) {
			return bad("ttl: not 1 to 315360000 seconds")
		}
		v.Until = v.At.Add(time.Duration(*b.TTL * float64(time.Second)))
	}
	return v, nil
}

// disconnect ends the connections of a user.
func (s *server) disconnect(ctx context.Context, r *http.Request, by *auth.Claims) answer {
	var body struct {
		User string `json:"user"`
	}
	if no := read(r, &body); no != nil {
		return *no
	}
	if auth.ValidateUser(body.User) != nil {
		return refuse(http.StatusBadRequest, "user: not 1 to 128 bytes without control characters")
	}
	return s.order(ctx, store.Revocation{Kind: store.KindDisconnect, Name: body.User, At: time.Now()}, by)
}

// order has all gateways do what an operator said.
func (s *server) order(ctx context.Context, v store.Revocation, by *auth.Claims) answer {
	err := s.cfg.Revocations.Revoke(ctx, v)
	switch {
	case errors.Is(err, store.ErrRevocation):
		return refuse(http.StatusBadRequest, err.Error())
	case errors.Is(err, store.ErrRevocationsFull):
		return away(store.ErrRevocationsFull.Error())
	case err != nil:
		s.cfg.Log.Warn("revoke", zap.String("kind", string(v.Kind)), zap.String("by", by.User), zap.Error(err))
		return away("it may not be done: Redis cannot be reached now")
	}
	s.cfg.Log.Info("revoked", zap.String("kind", string(v.Kind)), zap.String("name", v.Name), zap.String("by", by.User))
	status := "revoked"
	if v.Kind == store.KindDisconnect {
		status = "disconnected"
	}
	done := struct {
		Status string     `json:"status"`
		Kind   store.Kind `json:"kind"`
		Name   string     `json:"name"`
		At     int64      `json:"at"`
	}{status, v.Kind, v.Name, v.At.UnixMilli()}
	return granted(done)
}
