package cluster

import (
	"errors"
	"testing"
)

func TestSumSeries(t *testing.T) {
	const text = `# HELP drops_total Drops.
# TYPE drops_total counter
drops_total{reason="slow",role="gateway"} 3
drops_total{reason="full",role="gateway"} 4e1
drops_total_created 99
up 1
in_flight{a="x y}"} 2 1700000000
`
	tests := []struct {
		name   string
		labels map[string]string
		want   float64
		err    error
	}{
		{"drops_total", nil, 43, nil},
		{"drops_total", map[string]string{"reason": "slow"}, 3, nil},
		{"drops_total", map[string]string{"role": "gateway", "reason": "full"}, 40, nil},
		{"drops_total", map[string]string{"reason": "none"}, 0, ErrNoMetric},
		{"up", nil, 1, nil},
		{"in_flight", map[string]string{"a": "x y}"}, 2, nil},
		{"drops", nil, 0, ErrNoMetric},
	}
	for _, tt := range tests {
		got, err := sumSeries(text, tt.name, tt.labels)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s%v = %v, %v", tt.name, tt.labels, got, err)
		}
	}
}
