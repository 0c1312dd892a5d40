package store

import (
	"encoding/binary"
	"hash/maphash"
	"sync"
	"time"
)

// memory has what each connection and user of an embedded store has there: sessions, and when users were last seen. Redis in this process
// would take some thousand bytes and a hundred microseconds for them.
type memory struct {
	seed maphash.Seed // static

	mu       sync.Mutex
	sessions map[sessionHash]record // guarded by mu
	seen     map[string]sight       // guarded by mu: by user
	queued   map[string]uint64      // guarded by mu: how often something was queued for a user who may have a queue
	swept    time.Time              // guarded by mu
}

// sessionHash stands for a session's user and ID. Nobody can make two alike, as the seed is this process's own; of a million sessions two are
// by accident once in 37 million times.
type sessionHash uint64

// record is a session, as note.lua tells, in one allocation: n, since in µs and the end of its life in ms, 8 bytes each, the length of the holder,
// holder, state.
type record string

// sight is when a user was last seen, and until when that is known: Unix ms.
type sight struct{ at, until int64 }

// memorySweep is how often what has expired is dropped.
const memorySweep = 10 * time.Second

func newMemory() *memory {
	return &memory{
		seed:     maphash.MakeSeed(),
		sessions: make(map[sessionHash]record),
		seen:     make(map[string]sight),
		queued:   make(map[string]uint64),
	}
}

func (m *memory) hash(id sessionID) sessionHash { return sessionHash(maphash.Comparable(m.seed, id)) }

func newRecord(holder string, n uint64, since int64, until time.Time, state string) record {
	b := make([]byte, 0, recordHead+binary.MaxVarintLen32+len(holder)+len(state))
	b = binary.LittleEndian.AppendUint64(b, n)
	b = binary.LittleEndian.AppendUint64(b, uint64(since))
	b = binary.LittleEndian.AppendUint64(b, uint64(until.UnixMilli()))
	b = binary.AppendUvarint(b, uint64(len(holder)))
	return record(append(append(b, holder...), state...))
}

// recordHead is the length of what comes before the holder's length.
const recordHead = 24

func (r record) n() uint64    { return r.number(0) }
func (r record) since() int64 { return int64(r.number(8)) }
func (r record) until() int64 { return int64(r.number(16)) }

func (r record) number(at int) uint64 {
	var b [8]byte
	copy(b[:], r[at:])
	return binary.LittleEndian.Uint64(b[:])
}

func (r record) texts() (holder, state string) {
	var b [binary.MaxVarintLen32]byte
	size, at := binary.Uvarint(b[:copy(b[:], r[recordHead:])])
	rest := string(r[recordHead+at:])
	return rest[:size], rest[size:]
}

// live is the record of a session; empty when there is none. mu is held.
func (m *memory) live(h sessionHash, now time.Time) record {
	r := m.sessions[h]
	if r != "" && r.until() <= now.UnixMilli() {
		delete(m.sessions, h)
		return ""
	}
	return r
}

// note is note.lua.
func (m *memory) note(w *waiting, ttl time.Duration, now time.Time) (outcome string) {
	h := m.hash(sessionID{w.User, w.ID})
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.live(h, now)
	if r == "" && w.touch {
		return outcomeGone
	}
	var held, state string
	var n uint64
	var since int64
	if r != "" {
		held, state = r.texts()
		n, since = r.n(), r.since()
	}
	switch began := w.begun.UnixMicro(); {
	case w.begun.IsZero():
		if r != "" && held != w.Holder {
			return outcomeLost
		}
	case held != w.Holder && since > began && since <= now.UnixMicro():
		return outcomeLost
	}
	if r != "" && held == w.Holder && w.n <= n {
		return outcomeNoted
	}
	if !w.begun.IsZero() {
		since = w.begun.UnixMicro()
	}
	if !w.touch {
		held, n, state = w.Holder, w.n, string(w.State)
	}
	if w.ended {
		held = ""
	}
	m.sessions[h] = newRecord(held, n, since, now.Add(ttl), state)
	return outcomeNoted
}

// take is take.lua. Not ok: there is none.
func (m *memory) take(id sessionID, holder string, ttl time.Duration, now time.Time) (former, state string, ok bool) {
	h := m.hash(id)
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.live(h, now)
	if r == "" {
		return "", "", false
	}
	former, state = r.texts()
	m.sessions[h] = newRecord(holder, 0, now.UnixMicro(), now.Add(ttl), state)
	return former, state, true
}

// see notes when users were last seen; what is known is only ever replaced by a later time.
func (m *memory) see(batch []note, ttl time.Duration, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, b := range batch {
		m.seen[b.user] = sight{at: max(b.at, m.seen[b.user].at), until: now.Add(ttl).UnixMilli()}
	}
}

// lastSeen is when a user was last seen. Not ok: that is not known.
func (m *memory) lastSeen(user string, now time.Time) (at int64, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.seen[user]
	return s.at, ok && s.until > now.UnixMilli()
}

// queue notes that something is about to be queued for a user.
func (m *memory) queue(user string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queued[user]++
}

// mayWait is how often something was queued for a user, since it was last found that nothing waits.
func (m *memory) mayWait(user string) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.queued[user]
}

// nothingWaits forgets a user for whom nothing waited, unless something was queued since mayWait.
func (m *memory) nothingWaits(user string, times uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.queued[user] == times {
		delete(m.queued, user)
	}
}

// tick drops what has expired, now and then.
func (m *memory) tick(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Sub(m.swept) < memorySweep {
		return
	}
	m.swept = now
	for h, r := range m.sessions {
		if r.until() <= now.UnixMilli() {
			delete(m.sessions, h)
		}
	}
	for user, s := range m.seen {
		if s.until <= now.UnixMilli() {
			delete(m.seen, user)
		}
	}
}
