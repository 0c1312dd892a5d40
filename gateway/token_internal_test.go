package gateway

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/gobwas/ws"

	"github.com/realtime-cluster/realtime/pkg/auth"
	"github.com/realtime-cluster/realtime/pkg/topic"
)

// A client is told once that its token expires: when a quarter of its life is left, or a minute, whichever is less; and what the
// wheel does at the ends of lives from seconds to months is the same.
func TestTokenExpiring(t *testing.T) {
	for _, tt := range []struct {
		life, leeway time.Duration
		iat          bool
		told, ended  time.Duration // after it was issued
	}{
		{2 * time.Second, 0, true, 1500 * time.Millisecond, 2 * time.Second},
		{4 * time.Second, 0, true, 3 * time.Second, 4 * time.Second},
		{4 * time.Second, 5 * time.Second, true, 3 * time.Second, 9 * time.Second},
		{4 * time.Minute, 5 * time.Second, true, 3 * time.Minute, 4*time.Minute + 5*time.Second},
		{15 * time.Minute, 0, true, 14 * time.Minute, 15 * time.Minute},
		{15 * time.Minute, 0, false, 14 * time.Minute, 15 * time.Minute},
		{3 * time.Minute, 0, false, 3*time.Minute - 45*time.Second, 3 * time.Minute},
		{24 * time.Hour, time.Minute, true, 24*time.Hour - time.Minute, 24*time.Hour + time.Minute},
	} {
		t.Run(fmt.Sprintf("%v/%v/%v", tt.life, tt.leeway, tt.iat), func(t *testing.T) {
			l := idleLoop(t, nil, func(cfg *Config) {
				cfg.TokenLeeway, cfg.HeartbeatInterval, cfg.ClientTimeout = tt.leeway, time.Hour, 100*time.Hour
			})
			l.now = time.Unix(1_800_000_000, 0)
			begin := l.now
			c, peer := l.connect(t)
			claims := &auth.Claims{User: "u", ExpiresAt: begin.Add(tt.life)}
			if tt.iat {
				claims.IssuedAt = begin
			}
			c.token = l.gw.tokenOf(claims, l.now)
			l.schedule(c, 1)
			var told, ended []time.Duration
			for l.now.Sub(begin) < tt.ended+2*time.Second {
				l.tickTo(l.wheel.now + 1)
				for _, f := range frames(t, peer) {
					switch text := string(f.Payload); {
					case strings.Contains(text, "token_expiring"):
						told = append(told, l.now.Sub(begin))
						if want := fmt.Sprintf(`"expires_at":%d,"refresh_required":true`, claims.ExpiresAt.UnixMilli()); !strings.Contains(text, want) {
							t.Errorf("told %s, want %s", text, want)
						}
					case closeCode(f) == 4401:
						ended = append(ended, l.now.Sub(begin))
					}
				}
			}
			near := func(got []time.Duration, want time.Duration) bool {
				return len(got) == 1 && (got[0]-want).Abs() <= time.Second
			}
			if !near(told, tt.told) || !near(ended, tt.ended) {
				t.Errorf("told at %v, ended at %v; want %v and %v", told, ended, tt.told, tt.ended)
			}
		})
	}
}

// Another token takes the place of the first in time: the client is told of its end, not of the first one's.
func TestNewTokenIsWarnedOfAgain(t *testing.T) {
	l := idleLoop(t, nil, func(cfg *Config) { cfg.HeartbeatInterval, cfg.ClientTimeout = time.Hour, 100*time.Hour })
	l.now = time.Unix(1_800_000_000, 0)
	c, peer := l.connect(t)
	c.user = "u"
	claims := func(id string) *auth.Claims {
		return &auth.Claims{User: "u", ID: id, IssuedAt: l.now, ExpiresAt: l.now.Add(20 * time.Second)}
	}
	first := claims("1")
	c.token = l.gw.tokenOf(first, l.now)
	l.schedule(c, 1)
	count := func(d time.Duration) (told, closed int) {
		for end := l.now.Add(d); l.now.Before(end); {
			l.tickTo(l.wheel.now + 1)
			for _, f := range frames(t, peer) {
				if strings.Contains(string(f.Payload), "token_expiring") {
					told++
				}
				if f.Header.OpCode == ws.OpClose {
					closed++
				}
			}
		}
		return told, closed
	}
	if told, closed := count(17 * time.Second); told != 1 || closed != 0 {
		t.Fatalf("of the first: told %d times, closed %d", told, closed)
	}
	r := renewal{loop: l, slot: c.slot, gen: c.gen, id: "r"}
	l.renewed(&r, first, nil) // the same one again
	if told, closed := count(time.Second); told != 0 || closed != 0 {
		t.Errorf("of the same: told %d times, closed %d", told, closed)
	}
	l.renewed(&r, claims("2"), nil)
	if told, closed := count(14 * time.Second); told != 0 || closed != 0 {
		t.Errorf("of the second: told %d times, closed %d, too early", told, closed)
	}
	if told, closed := count(8 * time.Second); told != 1 || closed != 1 {
		t.Errorf("of the second: told %d times, closed %d", told, closed)
	}
}

// What is kept of the time at which a user signed in is not after it, nor a tenth of a second before.
func TestSignedIn(t *testing.T) {
	g := &Gateway{}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 10000 {
		since := time.UnixMilli(1_800_000_000_000 - rng.Int64N(1e11))
		c := &auth.Claims{SignedInAt: since, ExpiresAt: since.Add(time.Duration(rng.Int64N(int64(400 * 24 * time.Hour))))}
		got := g.tokenOf(c, since)
		if d := since.Sub(got.signedIn()); d < 0 || d > 100*time.Millisecond {
			t.Fatalf("signed in at %v, kept as %v", since, got.signedIn())
		}
	}
	none := g.tokenOf(&auth.Claims{ExpiresAt: time.Now()}, time.Now())
	if !none.signedIn().IsZero() {
		t.Errorf("%v of a token that tells nothing", none.signedIn())
	}
}

// Equal rights are kept once, and are forgotten with the last who has them.
func TestRightsAreShared(t *testing.T) {
	g := idleLoop(t, nil, nil).gw
	claims := func(roles []string, publish, subscribe []string) *auth.Claims {
		return &auth.Claims{Roles: roles, Topics: &topic.Grants{Publish: publish, Subscribe: subscribe}}
	}
	a := g.rightsOf(claims([]string{"admin"}, []string{"a.>"}, nil))
	if b := g.rightsOf(claims([]string{"admin"}, []string{"a.>"}, nil)); a != b {
		t.Error("equal rights are two")
	}
	for _, other := range []*auth.Claims{
		claims([]string{"admin"}, []string{"a.>"}, []string{}), claims([]string{"admin"}, nil, []string{"a.>"}),
		claims([]string{"admin", "x"}, []string{"a.>"}, nil), claims(nil, []string{"a.>"}, nil), {Roles: []string{"admin"}},
	} {
		if r := g.rightsOf(other); r == a || r.equal(a) {
			t.Errorf("%+v are the rights of %+v", other, a)
		}
	}
	if g.rightsOf(&auth.Claims{User: "u", Permissions: []string{"p"}}) != nil {
		t.Error("a token that names no rights costs something")
	}
	var none *rights
	if !none.canPublish("a") || !none.canSubscribe("a.*") || none.canPublish("$a") || none.canSubscribe("$a") || none.roleNames() != "" {
		t.Error("no rights are not those of a token that names none")
	}
	if !a.canPublish("a.b") || a.canPublish("b") || !a.canSubscribe("b") || a.roleNames() != "admin" {
		t.Errorf("%+v", a)
	}
}

// An idle connection stays below a kilobyte, of which this is the greatest part.
func TestConnSize(t *testing.T) {
	if n := unsafe.Sizeof(conn{}); n > 224 {
		t.Errorf("a conn has %d bytes", n)
	}
}
