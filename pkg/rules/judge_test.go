package rules

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/realtime-cluster/realtime/pkg/metric"
)

// TestRatesSurviveReload: of a rule whose name and limit are the same, what was used of it is kept.
func TestRatesSurviveReload(t *testing.T) {
	j := NewJudge(nil)
	m := &Message{Key: "t", User: "u", Payload: []byte("1")}
	now := time.Unix(1, 0)
	take := func(set *Set) bool {
		v := j.Judge(set, m, now)
		return v == nil || v.Action != Limited
	}
	first := mustParse(t, "rules: [{name: a, actions: [rate_limit: {rate: 1, burst: 1}]}]")
	if !take(first) || take(first) {
		t.Fatal("a burst of one is not one")
	}
	for _, tt := range []struct {
		what, text string
		anew       bool
	}{
		{"read again", "rules: [{name: a, actions: [rate_limit: {rate: 1, burst: 1}]}]", false},
		{"another action before it", "rules: [{name: a, actions: [set: {x: '1'}, rate_limit: {rate: 1.0, burst: 1}]}]", false},
		{"another rule before it", "rules: [{name: z, actions: [set: {x: '1'}]}, {name: a, actions: [rate_limit: {rate: 1, burst: 1}]}]", false},
		{"another rate", "rules: [{name: a, actions: [rate_limit: {rate: 2, burst: 1}]}]", true},
		{"another name", "rules: [{name: b, actions: [rate_limit: {rate: 2, burst: 1}]}]", true},
		{"what was forgotten", "rules: [{name: a, actions: [rate_limit: {rate: 1, burst: 1}]}]", true},
	} {
		if got := take(mustParse(t, tt.text)); got != tt.anew {
			t.Errorf("%s: begins anew: %v", tt.what, got)
		}
	}
}

// TestRatesBounded: keys that say nothing more go, and when all do, any goes and is counted.
func TestRatesBounded(t *testing.T) {
	m := NewMetrics(metric.For(nil, "test"))
	j := NewJudge(m)
	set := mustParse(t, "rules: [{name: a, actions: [rate_limit: {rate: 1, burst: 1}]}]")
	now := time.Unix(1, 0)
	publish := func(n int, step time.Duration) {
		for i := range n {
			now = now.Add(step)
			j.Judge(set, &Message{Key: fmt.Sprint(i, now.UnixNano()), Payload: []byte("1")}, now)
		}
	}
	publish(20_000, time.Millisecond) // each is done with after a second: 1000 at a time
	if n := len(j.rates.words); n > 4*fewRates {
		t.Errorf("%d keys are kept", n)
	}
	if n := testutil.ToFloat64(m.evicted); n != 0 {
		t.Errorf("%v were evicted", n)
	}
	publish(maxRates+500, 0)
	if n := len(j.rates.words); n > maxRates {
		t.Errorf("%d keys are kept", n)
	}
	if n := testutil.ToFloat64(m.evicted); n == 0 {
		t.Error("none was evicted")
	}
}

// TestMessageIsNotKept: what the caller does with the message afterwards changes nothing.
func TestMessageIsNotKept(t *testing.T) {
	set := mustParse(t, `rules: [{name: a, actions: [rate_limit: {rate: 1, burst: 1, per: user}, set: {u: 'user'},
		transform: 'payload.a', redirect: {topic_expression: 'payload[0]'}]}]`)
	buffer := []byte(`key.user.{"a":["text",{"b":"c"}]}`)
	m := &Message{Key: text(buffer[:3]), User: text(buffer[4:8]), Payload: buffer[9:]}
	j := NewJudge(nil)
	now := time.Unix(1, 0)
	v := j.Judge(set, m, now)
	const want = `redirect by a; to topic text; ["text",{"b":"c"}]; {"u":"user"}`
	if got := brief(v); got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	for i := range buffer {
		buffer[i] = 'x'
	}
	if got := brief(v); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	again := &Message{Key: "key", User: "user", Payload: []byte(`{"a":["t"]}`)}
	if v := j.Judge(set, again, now); v.Action != Limited {
		t.Errorf("%s: the rate limit has forgotten its key", brief(v))
	}
}

// TestMetrics: each rule counts what it does, and its series go with it.
func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := NewMetrics(metric.For(reg, "router"))
	j, other := NewJudge(m), NewJudge(m)
	set := mustParse(t, `
rules:
  - {name: kind, when: payload.kind == 1, actions: [stop: ]}
  - {name: skip, on_error: skip, actions: [transform: payload.none]}
  - {name: fine, actions: [set: {x: '1'}]}
  - {name: last, actions: [drop: ]}
`)
	now := time.Unix(1, 0)
	for _, payload := range []string{`{"kind":1}`, `{"kind":2}`, `{}`} {
		j.Judge(set, &Message{Key: "t", Payload: []byte(payload)}, now)
		other.Judge(set, &Message{Key: "t", Payload: []byte(payload)}, now)
	}
	expect := func(want string) {
		t.Helper()
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "realtime_rules_outcomes_total"); err != nil {
			t.Error(err)
		}
	}
	head := "# HELP realtime_rules_outcomes_total " + metric.RulesOutcomes.Help + "\n# TYPE realtime_rules_outcomes_total counter\n"
	expect(head + `realtime_rules_outcomes_total{outcome="condition_error",role="router",rule="kind"} 2
realtime_rules_outcomes_total{outcome="dropped",role="router",rule="last"} 4
realtime_rules_outcomes_total{outcome="failed",role="router",rule="skip"} 4
realtime_rules_outcomes_total{outcome="passed",role="router",rule="fine"} 4
realtime_rules_outcomes_total{outcome="stopped",role="router",rule="kind"} 2
`)
	less := mustParse(t, "rules: [{name: last, actions: [drop: ]}]")
	j.Judge(less, &Message{Key: "t", Payload: []byte("1")}, now)
	expect(head + `realtime_rules_outcomes_total{outcome="dropped",role="router",rule="last"} 5
`)
}

// TestSharedByLanes: a Set may be used by many at once; the race detector looks on.
func TestSharedByLanes(t *testing.T) {
	tt := benchmarks["match and transform, most of it kept"]
	set := mustParse(t, "rules: "+tt.rules)
	metrics := NewMetrics(metric.For(nil, "test"))
	m := &Message{Key: tt.topic, User: "bob", Payload: kilobyte()}
	want := brief(NewJudge(nil).Judge(set, m, time.Unix(1, 0)))
	var lanes sync.WaitGroup
	for range 4 {
		lanes.Go(func() {
			j := NewJudge(metrics)
			for range 200 {
				if got := brief(j.Judge(set, m, time.Unix(1, 0))); got != want {
					t.Errorf("%s, want %s", got, want)
				}
			}
		})
	}
	lanes.Wait()
}
