package history

import (
	"math"
	"testing"
	"time"
)

func TestEpoch(t *testing.T) {
	now := modelNow
	for noise := range uint64(1000) {
		e := NewEpoch(now, noise*0x9e3779b97f4a7c15)
		if !e.Born() || !e.SeenAt().IsZero() {
			t.Fatal(e)
		}
		if later := NewEpoch(now.Add(time.Millisecond), 0); later <= e {
			t.Fatalf("%v, a millisecond later %v", e, later)
		}
		if ParseEpoch(e.String()) != e {
			t.Fatal(e.String())
		}
	}
	u := Unborn(now)
	if u.Born() || !u.SeenAt().Equal(now) || ParseEpoch(u.String()) != u {
		t.Error(u)
	}
	if zero := Epoch(0); zero.Born() || !zero.SeenAt().IsZero() {
		t.Error(zero)
	}
}

func TestParseEpoch(t *testing.T) {
	for s, want := range map[string]Epoch{
		"": 0, "-1": 0, "?": 0, "1 ": 0, "zz": 35*36 + 35, "ZZ": 35*36 + 35, "3w5e11264sgsf": math.MaxUint64, "3w5e11264sgsg": 0,
		"1000000000000000000000": 0,
	} {
		if got := ParseEpoch(s); got != want {
			t.Errorf("%q: %d, want %d", s, got, want)
		}
	}
}
