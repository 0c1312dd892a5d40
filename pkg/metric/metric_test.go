package metric_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/realtime-cluster/realtime/pkg/metric"
)

// named reads the metrics of names.go, by their Go names.
func named(t *testing.T) map[string]metric.Metric {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "names.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]metric.Metric)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, name := range spec.Names {
			var texts []string
			for _, elt := range spec.Values[i].(*ast.CompositeLit).Elts {
				text, err := strconv.Unquote(elt.(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				texts = append(texts, text)
			}
			if len(texts) != 2 {
				t.Fatalf("%s has %d fields", name, len(texts))
			}
			all[name.Name] = metric.Metric{Name: texts[0], Help: texts[1]}
		}
		return false
	})
	if len(all) < 30 {
		t.Fatalf("only %d metrics found", len(all))
	}
	return all
}

// uses finds by which functions the metrics are made, all over the project.
func uses(t *testing.T) map[string][]string {
	t.Helper()
	made := make(map[string][]string)
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && path != "../.." && (name == "testdata" || name == "tmp" || strings.HasPrefix(name, ".")) {
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
			switch n := n.(type) {
			case *ast.CallExpr:
				for _, arg := range n.Args {
					if name := metricName(arg); name != "" {
						made[name] = append(made[name], function(n.Fun))
					}
				}
			case *ast.SelectorExpr: // metric.X.Name
				if name := metricName(n.X); name != "" && n.Sel.Name == "Name" {
					made[name] = append(made[name], "")
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// metricName returns X of an expression metric.X.
func metricName(e ast.Expr) string {
	if s, ok := e.(*ast.SelectorExpr); ok {
		if x, ok := s.X.(*ast.Ident); ok && x.Name == "metric" {
			return s.Sel.Name
		}
	}
	return ""
}

func function(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// TestNames: each metric has a name of its own that says what it is, and is made once.
func TestNames(t *testing.T) {
	all, made := named(t), uses(t)
	owner := make(map[string]string)
	for name, m := range all {
		if other := owner[m.Name]; other != "" {
			t.Errorf("%s and %s are both called %s", name, other, m.Name)
		}
		owner[m.Name] = name
		if !strings.HasPrefix(m.Name, "realtime_") {
			t.Errorf("%s does not begin with realtime_", m.Name)
		}
		if len(m.Help) < 10 || !strings.HasSuffix(m.Help, ".") {
			t.Errorf("the help of %s is %q", m.Name, m.Help)
		}
		if len(made[name]) != 1 {
			t.Errorf("%s is made in %d places", name, len(made[name]))
			continue
		}
		how := made[name][0]
		counter := strings.HasPrefix(how, "Counter")
		known := counter || strings.HasPrefix(how, "Gauge") || how == "Histogram"
		if total := strings.HasSuffix(m.Name, "_total"); known && counter != total {
			t.Errorf("%s is made by %s", m.Name, how)
		}
	}
	for name := range made {
		if m, ok := all[name]; !ok && name != "For" && name != "Metric" {
			t.Errorf("metric.%s is not in names.go: %v", name, m)
		}
	}
}

// TestLint is promlint over all of them.
func TestLint(t *testing.T) {
	reg := prometheus.NewRegistry()
	f := metric.For(reg, "test")
	made := uses(t)
	for name, m := range named(t) {
		switch how := strings.Join(made[name], " "); {
		case strings.HasPrefix(how, "Counter") || strings.HasSuffix(m.Name, "_total"):
			f.Counter(m).Inc()
		case how == "Histogram":
			f.Histogram(m, []float64{1}).Observe(1)
		default:
			f.Gauge(m).Set(1)
		}
	}
	if err := f.Err(); err != nil {
		t.Fatal(err)
	}
	problems, err := testutil.GatherAndLint(reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// TestFactory: what a role makes bears its name, and twice the same is an error, not a panic.
func TestFactory(t *testing.T) {
	reg := prometheus.NewRegistry()
	f := metric.For(reg, "router")
	f.Counter(metric.Metric{Name: "realtime_a_total", Help: "A."}).Inc()
	f.CounterVec(metric.Metric{Name: "realtime_b_total", Help: "B."}, "reason").WithLabelValues("x").Inc()
	f.CounterFunc(metric.Metric{Name: "realtime_c_total", Help: "C."}, func() float64 { return 3 })
	f.Gauge(metric.Metric{Name: "realtime_d", Help: "D."}).Set(4)
	f.GaugeVec(metric.Metric{Name: "realtime_e", Help: "E."}, "state").WithLabelValues("on").Set(5)
	f.GaugeFunc(metric.Metric{Name: "realtime_g", Help: "G."}, prometheus.Labels{"which": "one"}, func() float64 { return 7 })
	f.Histogram(metric.Metric{Name: "realtime_f_seconds", Help: "F."}, []float64{1}).Observe(6)
	if err := f.Err(); err != nil {
		t.Fatal(err)
	}
	const want = `# HELP realtime_a_total A.
# TYPE realtime_a_total counter
realtime_a_total{role="router"} 1
# HELP realtime_b_total B.
# TYPE realtime_b_total counter
realtime_b_total{reason="x",role="router"} 1
# HELP realtime_c_total C.
# TYPE realtime_c_total counter
realtime_c_total{role="router"} 3
# HELP realtime_d D.
# TYPE realtime_d gauge
realtime_d{role="router"} 4
# HELP realtime_e E.
# TYPE realtime_e gauge
realtime_e{role="router",state="on"} 5
# HELP realtime_f_seconds F.
# TYPE realtime_f_seconds histogram
realtime_f_seconds_bucket{role="router",le="1"} 0
realtime_f_seconds_bucket{role="router",le="+Inf"} 1
realtime_f_seconds_sum{role="router"} 6
realtime_f_seconds_count{role="router"} 1
# HELP realtime_g G.
# TYPE realtime_g gauge
realtime_g{role="router",which="one"} 7
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	again := metric.For(reg, "router")
	again.Gauge(metric.Metric{Name: "realtime_d", Help: "D."}).Set(7)
	if err := again.Err(); err == nil {
		t.Error("the same metric twice is no error")
	}
	other := metric.For(reg, "gateway") // another role in the same process
	other.Gauge(metric.Metric{Name: "realtime_d", Help: "D."}).Set(8)
	if err := other.Err(); err != nil {
		t.Errorf("another role: %v", err)
	}
	nowhere := metric.For(nil, "x")
	nowhere.Counter(metric.Metric{Name: "realtime_a_total", Help: "A."}).Inc()
	if err := nowhere.Err(); err != nil {
		t.Errorf("without a registry: %v", err)
	}
}
