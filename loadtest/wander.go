package loadtest

import (
	"context"
	"time"
)

// wander stays for a while and then leaves, by turns with and without a goodbye.
// It reports whether it left: not when ctx or the connection ended first.
func (s *stay) wander(ctx context.Context) (gone bool) {
	p := s.user.load.People
	stay := p.Stay
	if s.tab.stays == 1 {
		// Wanderers take turns: some are always away.
		stay = (p.Stay + p.Away) * time.Duration(s.user.index%p.Wanderers) / time.Duration(p.Wanderers)
	}
	s.pause(ctx, stay)
	if ctx.Err() != nil || s.conn.Err() != nil {
		return false
	}
	s.leave(s.tab.stays%2 == 0)
	return true
}

// pause waits for d, at most as long as ctx and the connection last.
func (s *stay) pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-s.conn.Done():
	case <-ctx.Done():
	}
}
