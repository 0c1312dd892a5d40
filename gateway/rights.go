package gateway

import (
	"hash/maphash"
	"runtime"
	"slices"
	"strings"
	"sync"
	"weak"

	"github.com/realtime-cluster/realtime/pkg/auth"
	"github.com/realtime-cluster/realtime/pkg/topic"
)

// rights is what a connection's token allows, and what rules see of it. It is not changed once in use: a
// token that takes the place of another brings its own. A nil *rights is a token that says nothing.
type rights struct {
	grants *topic.Grants
	roles  string // joined by "\n": a role has no control characters
}

// canPublish reports whether a topic, a valid name, may be published to.
func (r *rights) canPublish(name string) bool {
	if r == nil {
		return (*topic.Grants)(nil).CanPublish(name)
	}
	return r.grants.CanPublish(name)
}

// canSubscribe reports whether a valid pattern may be subscribed to.
func (r *rights) canSubscribe(pattern string) bool {
	if r == nil {
		return (*topic.Grants)(nil).CanSubscribe(pattern)
	}
	return r.grants.CanSubscribe(pattern)
}

// roleNames are the user's roles, joined by "\n".
func (r *rights) roleNames() string {
	if r == nil {
		return ""
	}
	return r.roles
}

func (r *rights) equal(s *rights) bool {
	if r.roles != s.roles || (r.grants == nil) != (s.grants == nil) {
		return false
	}
	return r.grants == nil || same(r.grants.Publish, s.grants.Publish) && same(r.grants.Subscribe, s.grants.Subscribe)
}

// same compares two lists of grants, of which a nil one is not an empty one.
func same(a, b []string) bool { return (a == nil) == (b == nil) && slices.Equal(a, b) }

// rightsPool has the rights of the connections, so that equal ones are kept once: a thousand
// connections with the same roles cost no more than one.
type rightsPool struct {
	mu   sync.Mutex
	live map[uint64]weak.Pointer[rights] // guarded by mu: by hash; what nobody has any more leaves by itself
}

// rightsOf is nil where a token has none, so that a plain connection costs nothing more.
func (g *Gateway) rightsOf(claims *auth.Claims) *rights {
	if claims.Topics == nil && len(claims.Roles) == 0 {
		return nil
	}
	r := &rights{grants: claims.Topics, roles: strings.Join(claims.Roles, "\n")}
	return g.rights.shared(r, r.hash(g.seed))
}

// shared is r, or one that is equal to it and in use.
func (p *rightsPool) shared(r *rights, hash uint64) *rights {
	p.mu.Lock()
	defer p.mu.Unlock()
	if was := p.live[hash].Value(); was != nil {
		if was.equal(r) {
			return was
		}
		return r // two that hash alike: this one is not shared
	}
	if p.live == nil {
		p.live = make(map[uint64]weak.Pointer[rights])
	}
	p.live[hash] = weak.Make(r)
	runtime.AddCleanup(r, p.forget, hash)
	return r
}

func (p *rightsPool) forget(hash uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live[hash].Value() == nil { // it may have a successor
		delete(p.live, hash)
	}
}

func (r *rights) hash(seed maphash.Seed) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	add := func(kind byte, list []string) {
		for _, s := range list {
			_ = h.WriteByte(kind) // never fails, nor does WriteString
			_, _ = h.WriteString(s)
		}
	}
	add(0, []string{r.roles})
	if r.grants != nil {
		add(1, r.grants.Publish)
		add(2, r.grants.Subscribe)
	}
	return h.Sum64()
}
