package stream

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/jsstream/streamtest"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// oddKeys are of topics and rooms that a subject cannot have as they are.
func oddKeys() []string {
	names := []string{"a", "a.b", "A", "*", ">", "=", "=2e", " ", "\xff\x00", "日本:room", strings.Repeat("é", 127), ".", "a.*.>", "\r\n", "$JS.API"}
	var keys []string
	for _, name := range names {
		keys = append(keys, name, wire.RoomKey(name))
	}
	return keys
}

// TestStore holds a Store against a model: random calls, one after another.
func TestStore(t *testing.T) {
	kinds(t, func(t *testing.T, connect func() *nats.Conn) {
		m := &model{t: t, store: on(t, connect(), nil), keys: oddKeys(), chains: map[string][]history.Stored{}, random: rand.New(rand.NewPCG(1, 2))}
		for range 700 {
			m.step()
		}
		m.all()
	})
}

type model struct {
	t      *testing.T
	store  *Store
	keys   []string
	chains map[string][]history.Stored
	n      int
	random *rand.Rand
}

func (m *model) step() {
	key := m.keys[m.random.IntN(len(m.keys))]
	switch m.random.IntN(10) {
	case 0:
		m.read(key)
	case 1:
		m.readSince(key)
	case 2:
		m.lasts(1 + m.random.IntN(len(m.keys)))
	case 3:
		m.trim(key)
	case 4:
		m.stale(key)
	default:
		m.append(key)
	}
}

func (m *model) tail(key string) uint64 {
	if chain := m.chains[key]; len(chain) > 0 {
		return chain[len(chain)-1].Seq
	}
	return 0
}

func (m *model) append(key string) {
	m.t.Helper()
	m.n++
	data := fmt.Sprint(m.n, strings.Repeat(".", m.random.IntN(300)))
	before := time.Now()
	seq, err := store1(m.store, key, m.tail(key), data)
	ok(m.t, err)
	if seq <= m.tail(key) {
		m.t.Fatalf("sequence %d after %d", seq, m.tail(key))
	}
	m.chains[key] = append(m.chains[key], history.Stored{Seq: seq, Time: before, Data: []byte(data)})
}

// stale appends after anything but the last entry.
func (m *model) stale(key string) {
	m.t.Helper()
	wrong := []uint64{0, 1 << 40, m.tail(key) + 1}
	for _, e := range m.chains[key] {
		wrong = append(wrong, e.Seq)
	}
	after := wrong[m.random.IntN(len(wrong))]
	if after == m.tail(key) {
		return
	}
	if _, err := store1(m.store, key, after, "stale"); !errors.Is(err, history.ErrConflict) {
		m.t.Fatalf("after %d, where %d is the last: %v", after, m.tail(key), err)
	}
}

func (m *model) read(key string) {
	m.t.Helper()
	chain := m.chains[key]
	i := m.random.IntN(len(chain) + 1)
	from := m.tail(key) + 1
	if i < len(chain) {
		from = chain[i].Seq
		if i > 0 && chain[i-1].Seq < from-1 { // the sequence number of no entry of this key
			from--
		}
	}
	if i == 0 && m.random.IntN(2) == 0 {
		from = 0
	}
	m.same("read", key, chain[i:], func(limit, bytes int) ([]history.Stored, error) {
		return m.store.Read(m.t.Context(), key, from, limit, bytes)
	})
}

func (m *model) readSince(key string) {
	m.t.Helper()
	chain := m.chains[key]
	i := m.random.IntN(len(chain) + 1)
	since := time.Now()
	if i < len(chain) {
		since = chain[i].Time
	}
	m.same("read since", key, chain[i:], func(limit, bytes int) ([]history.Stored, error) {
		return m.store.ReadSince(m.t.Context(), key, since, limit, bytes)
	})
}

// same waits until a read, which may come from a replica that is behind, shows what it should.
func (m *model) same(what, key string, want []history.Stored, read func(limit, bytes int) ([]history.Stored, error)) {
	m.t.Helper()
	limit, bytes := 1+m.random.IntN(8), 1+m.random.IntN(2000)
	size := 0
	for i, e := range want {
		if i == limit || size >= bytes {
			want = want[:i]
			break
		}
		size += len(e.Data)
	}
	var got []history.Stored
	var err error
	for range 500 {
		got, err = read(limit, bytes)
		ok(m.t, err)
		if slices.EqualFunc(got, want, equal) {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	m.t.Fatalf("%s of %q, limit %d, bytes %d: %q, want %q", what, key, limit, bytes, datas(got), datas(want))
}

// equal compares an entry with the model's, whose time is one moment before.
func equal(got, want history.Stored) bool {
	return got.Seq == want.Seq && string(got.Data) == string(want.Data) && !got.Time.Before(want.Time) && got.Time.Before(want.Time.Add(10*time.Second))
}

func (m *model) lasts(n int) {
	m.t.Helper()
	var keys []string
	for _, i := range m.random.Perm(len(m.keys))[:n] {
		keys = append(keys, m.keys[i])
	}
	m.wantLasts(keys)
	m.wantLasts(keys[:1])
}

func (m *model) wantLasts(keys []string) {
	m.t.Helper()
	var wrong string
	for range 500 {
		got, err := m.store.Last(m.t.Context(), keys)
		ok(m.t, err)
		wrong = ""
		for _, key := range keys {
			e, found := got[key]
			chain := m.chains[key]
			if found != (len(chain) > 0) || found && !equal(e, chain[len(chain)-1]) {
				wrong = fmt.Sprintf("%q: %v %d, want %d", key, found, e.Seq, m.tail(key))
			}
			delete(got, key)
		}
		if len(got) > 0 {
			m.t.Fatalf("more than was asked for: %v", got)
		}
		if wrong == "" {
			return
		}
		if len(keys) == 1 {
			break // the leader's
		}
		time.Sleep(2 * time.Millisecond)
	}
	m.t.Fatal(wrong)
}

func (m *model) trim(key string) {
	m.t.Helper()
	chain := m.chains[key]
	i := m.random.IntN(len(chain) + 1)
	before := m.tail(key) + 1
	if i < len(chain) {
		before = chain[i].Seq
	}
	ok(m.t, m.store.Trim(m.t.Context(), key, before))
	m.chains[key] = slices.Clone(chain[i:])
}

func (m *model) all() {
	m.t.Helper()
	m.wantLasts(m.keys)
	for _, key := range m.keys {
		wantRead(m.t, m.store, key, datas(m.chains[key]))
	}
}

// TestRace: of owners that append to one key at once, each entry follows the one that its writer saw.
func TestRace(t *testing.T) {
	kinds(t, func(t *testing.T, connect func() *nats.Conn) {
		const each = 40
		stores := []*Store{on(t, connect(), nil), on(t, connect(), nil), on(t, connect(), nil)}
		var mu sync.Mutex
		follows := map[uint64]uint64{} // guarded by mu
		var wg sync.WaitGroup
		for i, s := range stores {
			wg.Go(func() {
				for after, n := uint64(0), 0; n < each; {
					seq, err := store1(s, "topic", after, fmt.Sprint(i, ":", n))
					if err == nil {
						mu.Lock()
						follows[seq] = after
						mu.Unlock()
						after = seq
						n++
						continue
					}
					if !errors.Is(err, history.ErrConflict) {
						t.Error(err)
						return
					}
					last, err := s.Last(t.Context(), []string{"topic"})
					if err != nil {
						t.Error(err)
						return
					}
					after = last["topic"].Seq
				}
			})
		}
		wg.Wait()
		var entries []history.Stored
		streamtest.Eventually(t, 5*time.Second, "all entries", func() bool {
			entries, _ = stores[0].Read(t.Context(), "topic", 0, 10_000, 1<<20)
			return len(entries) == each*len(stores)
		})
		before := uint64(0)
		for _, e := range entries {
			if follows[e.Seq] != before {
				t.Fatalf("%d was to follow %d and follows %d", e.Seq, follows[e.Seq], before)
			}
			before = e.Seq
		}
	})
}

// TestMany reads more than one answer holds.
func TestMany(t *testing.T) {
	kinds(t, func(t *testing.T, connect func() *nats.Conn) {
		s := on(t, connect(), nil)
		keys := make([]string, 12_000)
		var wg sync.WaitGroup
		for i := range keys {
			keys[i] = fmt.Sprint("topic ", i)
			if i%3 == 0 {
				wg.Add(1)
				s.Append(keys[i], 0, []byte(keys[i]), func(_ uint64, err error) {
					defer wg.Done()
					if err != nil {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		streamtest.Eventually(t, 5*time.Second, "the last entries of all", func() bool {
			got, err := s.Last(t.Context(), keys)
			ok(t, err)
			for key, e := range got {
				if string(e.Data) != key {
					t.Fatalf("%q is read for %q", e.Data, key)
				}
			}
			return len(got) == len(keys)/3
		})

		var want []string
		seq := uint64(0)
		for i := range 2500 {
			want = append(want, fmt.Sprint(i))
			seq = must(t, s, "long", seq, want[i])
		}
		entries := wantRead(t, s, "long", want)
		got, err := s.ReadSince(t.Context(), "long", entries[100].Time, 2000, 1<<20)
		ok(t, err)
		if !slices.Equal(datas(got), want[100:2100]) {
			t.Errorf("read %d since the 100th", len(got))
		}
	})
}
