package store

import "time"

// revocationSet is the revocations that are known, without clock or I/O.
type revocationSet struct {
	most  int // entries
	terms map[revoked]term
}

// revoked is who or what is revoked.
type revoked struct {
	kind Kind
	name string
}

// term is from when until when.
type term struct {
	at, until time.Time
	load      uint64 // the latest load in which it was read; 0: none
}

func newRevocationSet(most int) revocationSet {
	return revocationSet{most: most, terms: make(map[revoked]term)}
}

// add takes r in and reports whether that is news. ok is false when there are too many.
func (s *revocationSet) add(r Revocation, load uint64) (news, ok bool) {
	key := revoked{r.Kind, r.Name}
	t, known := s.terms[key]
	if !known && len(s.terms) >= s.most {
		return false, false
	}
	news = !known || r.At.After(t.at) || r.Until.After(t.until)
	if r.At.After(t.at) {
		t.at = r.At
	}
	if r.Until.After(t.until) {
		t.until = r.Until
	}
	t.load = max(t.load, load)
	s.terms[key] = t
	return news, true
}

// get returns what is known of one.
func (s *revocationSet) get(key revoked) (Revocation, bool) {
	t, ok := s.terms[key]
	return Revocation{Kind: key.kind, Name: key.name, At: t.at, Until: t.until}, ok
}

// voids tells whether a token is revoked now. An empty name is none.
func (s *revocationSet) voids(user, id, family string, since, now time.Time) bool {
	if len(s.terms) == 0 {
		return false
	}
	for _, key := range [...]revoked{{KindUser, user}, {KindToken, id}, {KindFamily, family}} {
		if key.name == "" {
			continue
		}
		t, ok := s.terms[key]
		if ok && now.Before(t.until) && (key.kind != KindUser || !since.After(t.at)) {
			return true
		}
	}
	return false
}

// expire forgets those whose end has come.
func (s *revocationSet) expire(now time.Time) {
	for key, t := range s.terms {
		if !now.Before(t.until) {
			delete(s.terms, key)
		}
	}
}

// missing are those that were not in a load, though they should have been. A disconnection is not told twice.
func (s *revocationSet) missing(load uint64, now time.Time) (keys []revoked) {
	for key, t := range s.terms {
		if t.load < load && now.Before(t.until) && key.kind != KindDisconnect {
			keys = append(keys, key)
		}
	}
	return keys
}
