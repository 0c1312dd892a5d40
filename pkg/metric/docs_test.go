package metric_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/realtime-cluster/realtime/pkg/metric"
)

var update = flag.Bool("update", false, "write the table of metrics into docs/OPERATIONS.md")

const (
	operations = "../../docs/OPERATIONS.md"
	tableHead  = "| name | type | labels | meaning |\n|---|---|---|---|\n"
)

// TestDocs: docs/OPERATIONS.md lists every metric, and none that is not there. deploy/test holds the dashboard and the alerts
// against that table. After a change: go test ./pkg/metric -run TestDocs -update
func TestDocs(t *testing.T) {
	all, made := named(t), shapes(t)
	var lines []string
	for name, m := range all {
		s, ok := made[name]
		if !ok {
			t.Errorf("how %s is made is not understood", name)
		}
		lines = append(lines, fmt.Sprintf("| `%s` | %s | %s | %s |\n", m.Name, s.kind, strings.Join(s.labels, ", "), cell(m)))
	}
	slices.Sort(lines)
	want := tableHead + strings.Join(lines, "")

	text, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	before, after, ok := strings.Cut(string(text), tableHead)
	if !ok || !strings.Contains(before, "\n## Metrics\n") {
		t.Fatalf("no table of metrics in %s", operations)
	}
	end := 0
	for line := range strings.Lines(after) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		end += len(line)
	}
	got := tableHead + after[:end]
	switch {
	case *update:
		if err := os.WriteFile(operations, []byte(before+want+after[end:]), 0o644); err != nil {
			t.Fatal(err)
		}
	case got != want:
		has, should := slices.Collect(strings.Lines(got)), slices.Collect(strings.Lines(want))
		for _, line := range has {
			if !slices.Contains(should, line) {
				t.Errorf("not so in the source: %s", line)
			}
		}
		for _, line := range should {
			if !slices.Contains(has, line) {
				t.Errorf("not in %s: %s", operations, line)
			}
		}
		t.Errorf("the table of %s differs", operations)
	}
}

// cell is a metric's help as a table holds it.
func cell(m metric.Metric) string { return strings.ReplaceAll(m.Help, "|", `\|`) }

// shape is what a metric is made as.
type shape struct {
	kind   string
	labels []string // sorted
}

// shapes reads from the source what each metric is made as, by its Go name.
func shapes(t *testing.T) map[string]shape {
	t.Helper()
	found := make(map[string]shape)
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && path != "../.." && (name == "testdata" || name == "tmp" || name == "deploy" || strings.HasPrefix(name, ".")) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if name, s := shapeOf(call); name != "" {
					found[name] = s
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// shapeOf reads the call that makes a metric: of a Factory, or of the client library with the metric's name in its options.
func shapeOf(call *ast.CallExpr) (name string, s shape) {
	how := function(call.Fun)
	for _, arg := range call.Args {
		if n := metricName(arg); n != "" {
			name = n
		}
	}
	factory := name != "" && how != "desc"
	if strings.HasPrefix(how, "New") {
		for _, arg := range call.Args {
			ast.Inspect(arg, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Name" && metricName(sel.X) != "" {
					name = metricName(sel.X)
				}
				return true
			})
		}
	}
	if name == "" {
		return "", s
	}
	switch {
	case strings.Contains(how, "Counter"):
		s.kind = "counter"
	case strings.Contains(how, "Gauge"):
		s.kind = "gauge"
	case how == "Histogram":
		s.kind = "histogram"
	case how == "desc" && (name == "NATSConnected"):
		s.kind = "gauge"
	case how == "desc":
		s.kind = "counter"
	default:
		return "", s
	}
	for _, arg := range call.Args[1:] {
		switch arg := arg.(type) {
		case *ast.BasicLit:
			s.labels = append(s.labels, text(arg))
		case *ast.CompositeLit: // []string{"label"} or prometheus.Labels{"label": value}; numbers are a histogram's
			for _, elt := range arg.Elts {
				if pair, ok := elt.(*ast.KeyValueExpr); ok {
					elt = pair.Key
				}
				if lit, ok := elt.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					s.labels = append(s.labels, text(lit))
				}
			}
		}
	}
	if factory {
		s.labels = append(s.labels, "role")
	}
	slices.Sort(s.labels)
	return name, s
}

func text(lit *ast.BasicLit) string {
	s, err := strconv.Unquote(lit.Value)
	if err != nil {
		return lit.Value
	}
	return s
}
