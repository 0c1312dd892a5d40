package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrNoMetric says that no series has the name and the labels.
var ErrNoMetric = errors.New("no such series")

// Metric reads /metrics and sums the series called name that carry all of
// labels, which may be nil. When there is none the error is ErrNoMetric.
func (p *Process) Metric(ctx context.Context, name string, labels map[string]string) (float64, error) {
	body, err := p.Get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	v, err := sumSeries(string(body), name, labels)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", p.Name, err)
	}
	return v, nil
}

// sumSeries reads the Prometheus text format as far as this needs: one series a
// line, `name{label="value",…} number`.
func sumSeries(text, name string, labels map[string]string) (sum float64, err error) {
	found := false
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), name)
		if !ok || rest == "" {
			continue
		}
		var in string
		switch rest[0] {
		case '{':
			end := strings.LastIndexByte(rest, '}')
			if end < 0 {
				continue
			}
			in, rest = rest[1:end], rest[end+1:]
		case ' ':
		default:
			continue // a longer name
		}
		if !carries(in, labels) {
			continue
		}
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			continue
		}
		v, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			return 0, fmt.Errorf("read metric %s: %w", name, err)
		}
		sum += v
		found = true
	}
	if !found {
		return 0, fmt.Errorf("%w: %s%v", ErrNoMetric, name, labels)
	}
	return sum, nil
}

func carries(in string, labels map[string]string) bool {
	for k, v := range labels {
		pair := k + "=" + strconv.Quote(v)
		if !strings.HasPrefix(in, pair) && !strings.Contains(in, ","+pair) {
			return false
		}
	}
	return true
}
