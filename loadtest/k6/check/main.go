// Check compares what two programs measured that put the same load on a service: a k6
// script and loadtest/load. It prints their reports side by side, and fails where they disagree.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"text/tabwriter"
	"time"
)

func main() {
	tolerance := flag.Duration("tolerance", 5*time.Millisecond, "how far the medians of latency may be apart")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "check: wants two files: the report of k6, and that of loadtest/load")
		os.Exit(2)
	}
	var r [2]report
	var errs []error
	for i := range r {
		errs = append(errs, r[i].read(flag.Arg(i)))
	}
	err := errors.Join(errs...)
	if err == nil {
		err = compare(os.Stdout, r[0], r[1], *tolerance)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(1)
	}
}

// report is what both programs write.
type report struct {
	Connections  int     `json:"connections"`
	Sent         int     `json:"sent"`
	Unsent       int     `json:"unsent"`
	Acked        int     `json:"acked"`
	Delivered    int     `json:"delivered"`
	Expected     int     `json:"expected"`
	Lost         int     `json:"lost"`
	Doubled      int     `json:"doubled"`
	Disordered   int     `json:"disordered"`
	Misdelivered int     `json:"misdelivered"`
	Errors       int     `json:"errors"`
	P50          float64 `json:"p50_ms"`
	P95          float64 `json:"p95_ms"`
	P99          float64 `json:"p99_ms"`
}

func (r *report) read(name string) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, r); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

// compare prints both and returns in what they disagree, or are both wrong. Counts have to be equal, what must not be
// has to be 0, and the medians may be apart by the tolerance.
func compare(out io.Writer, a, b report, tolerance time.Duration) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tk6\tload\t")
	var errs []error
	for _, c := range []struct {
		name   string
		a, b   int
		mustBe bool // 0
	}{
		{"connections", a.Connections, b.Connections, false},
		{"sent", a.Sent, b.Sent, false},
		{"acked", a.Acked, b.Acked, false},
		{"delivered", a.Delivered, b.Delivered, false},
		{"expected", a.Expected, b.Expected, false},
		{"not sent", a.Unsent, b.Unsent, true},
		{"lost", a.Lost, b.Lost, true},
		{"repeated", a.Doubled, b.Doubled, true},
		{"disordered", a.Disordered, b.Disordered, true},
		{"misdelivered", a.Misdelivered, b.Misdelivered, true},
		{"errors", a.Errors, b.Errors, true},
	} {
		verdict := "ok"
		switch {
		case c.mustBe && (c.a != 0 || c.b != 0):
			verdict = "must be 0"
		case c.a != c.b:
			verdict = "differ"
		case !c.mustBe && c.a == 0:
			verdict = "must not be 0"
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\n", c.name, c.a, c.b, verdict)
		if verdict != "ok" {
			errs = append(errs, fmt.Errorf("%s: %d and %d %s", c.name, c.a, c.b, verdict))
		}
	}
	verdict := "ok"
	if limit := float64(tolerance) / float64(time.Millisecond); a.P50 <= 0 || b.P50 <= 0 || math.Abs(a.P50-b.P50) > limit {
		verdict = "differ"
		errs = append(errs, fmt.Errorf("median: %.2f and %.2f ms differ by more than %v", a.P50, b.P50, tolerance))
	}
	fmt.Fprintf(w, "median ms\t%.2f\t%.2f\t%s\n", a.P50, b.P50, verdict)
	fmt.Fprintf(w, "p95 ms\t%.2f\t%.2f\t\n", a.P95, b.P95)
	fmt.Fprintf(w, "p99 ms\t%.2f\t%.2f\t\n", a.P99, b.P99)
	return errors.Join(append(errs, w.Flush())...)
}
