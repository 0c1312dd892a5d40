package monitoring

import (
	"encoding/json"
	"fmt"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
)

// targets are the labels that Prometheus adds to what it scrapes.
var targets = []string{"namespace", "job", "instance", "pod"}

// checker holds queries against the metrics.
type checker struct {
	metrics map[string]metric
	words   map[string]bool // the texts in the program's source: what the values of labels are made of
}

func newChecker(t *testing.T) *checker {
	t.Helper()
	c := &checker{metrics: known(t), words: make(map[string]bool)}
	for _, dir := range []string{"gateway", "router", "presence", "pkg"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := goparser.ParseFile(token.NewFileSet(), path, nil, goparser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if s, err := strconv.Unquote(lit.Value); err == nil {
						c.words[s] = true
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// set is a set of names of labels.
type set map[string]bool

func setOf(names ...[]string) set {
	s := make(set)
	for _, n := range slices.Concat(names...) {
		s[n] = true
	}
	return s
}

// labels returns which labels the series that come out of an expression may have, or what is wrong with it.
func (c *checker) labels(e parser.Expr) (set, error) {
	switch e := e.(type) {
	case *parser.ParenExpr:
		return c.labels(e.Expr)
	case *parser.UnaryExpr:
		return c.labels(e.Expr)
	case *parser.StepInvariantExpr:
		return c.labels(e.Expr)
	case *parser.SubqueryExpr:
		return c.labels(e.Expr)
	case *parser.MatrixSelector:
		return c.labels(e.VectorSelector)
	case *parser.NumberLiteral, *parser.StringLiteral:
		return nil, nil
	case *parser.VectorSelector:
		return c.selector(e)
	case *parser.AggregateExpr:
		return c.aggregate(e)
	case *parser.BinaryExpr:
		return c.binary(e)
	case *parser.Call:
		return c.call(e)
	}
	return nil, fmt.Errorf("%T is not understood", e)
}

// of finds the metric of a series' name: the buckets, sum and count of a histogram are its own.
func (c *checker) of(name string) (m metric, more []string, ok bool) {
	if m, ok = c.metrics[name]; ok {
		return m, nil, m.kind != "histogram" // that has no series of its name
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, cut := strings.CutSuffix(name, suffix); cut && c.metrics[base].kind == "histogram" {
			if suffix == "_bucket" {
				more = []string{"le"}
			}
			return c.metrics[base], more, true
		}
	}
	return m, nil, false
}

func (c *checker) selector(e *parser.VectorSelector) (set, error) {
	m, more, ok := c.of(e.Name)
	if !ok {
		return nil, fmt.Errorf("no metric %s", e.Name)
	}
	has := setOf(m.labels, more, targets)
	for _, match := range e.LabelMatchers {
		switch {
		case match.Name == model.MetricNameLabel || slices.Contains(targets, match.Name):
			continue
		case !has[match.Name]:
			return nil, fmt.Errorf("%s has no label %s", e.Name, match.Name)
		case match.Name == "code" || match.Name == "le": // numbers
			continue
		}
		for value := range strings.SplitSeq(match.Value, "|") {
			if prefix, ok := strings.CutSuffix(value, ".*"); ok {
				if !slices.ContainsFunc(slices.Collect(maps.Keys(c.words)), func(w string) bool { return strings.HasPrefix(w, prefix) }) {
					return nil, fmt.Errorf("%s: no %s begins with %q in the source", e.Name, match.Name, prefix)
				}
			} else if !c.words[value] {
				return nil, fmt.Errorf("%s: no %s is called %q in the source", e.Name, match.Name, value)
			}
		}
	}
	return has, nil
}

func (c *checker) aggregate(e *parser.AggregateExpr) (set, error) {
	in, err := c.labels(e.Expr)
	if err != nil {
		return nil, err
	}
	for _, g := range e.Grouping {
		if !in[g] {
			return nil, fmt.Errorf("%s: no label %s to group by", e, g)
		}
	}
	out := setOf(e.Grouping)
	if e.Without {
		out = maps.Clone(in)
		for _, g := range e.Grouping {
			delete(out, g)
		}
	}
	if name, ok := e.Param.(*parser.StringLiteral); ok { // count_values
		out[name.Val] = true
	}
	return out, nil
}

func (c *checker) binary(e *parser.BinaryExpr) (set, error) {
	left, err := c.labels(e.LHS)
	if err != nil {
		return nil, err
	}
	right, err := c.labels(e.RHS)
	if err != nil {
		return nil, err
	}
	if left == nil { // a number
		return right, nil
	}
	if right == nil {
		return left, nil
	}
	vm := e.VectorMatching
	for _, l := range vm.MatchingLabels {
		if !left[l] || !right[l] {
			return nil, fmt.Errorf("%s: label %s is not on both sides", e, l)
		}
	}
	// Without on or ignoring, series match whose labels are all the same: other labels on the other side never match.
	if !vm.On && len(vm.MatchingLabels) == 0 && !maps.Equal(left, right) && e.Op != parser.LOR {
		return nil, fmt.Errorf("%s: labels %v and %v", e, slices.Sorted(maps.Keys(left)), slices.Sorted(maps.Keys(right)))
	}
	return left, nil
}

func (c *checker) call(e *parser.Call) (set, error) {
	var out set
	for _, arg := range e.Args {
		in, err := c.labels(arg)
		if err != nil {
			return nil, err
		}
		if in != nil {
			out = in
		}
	}
	switch e.Func.Name {
	case "rate", "increase", "irate":
		name := e.Args[0].(*parser.MatrixSelector).VectorSelector.(*parser.VectorSelector).Name
		if m, _, _ := c.of(name); m.kind == "gauge" {
			return nil, fmt.Errorf("%s of the gauge %s", e.Func.Name, name)
		}
	case "histogram_quantile":
		if !out["le"] {
			return nil, fmt.Errorf("%s: no label le", e)
		}
		out = maps.Clone(out)
		delete(out, "le")
	case "vector":
		return set{}, nil
	case "time":
		return nil, nil
	}
	return out, nil
}

// check parses a query, and holds it and the labels that texts about it mention against the metrics.
func (c *checker) check(query string, mentioned []string) error {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		return err
	}
	has, err := c.labels(expr)
	if err != nil {
		return err
	}
	for _, l := range mentioned {
		if !has[l] {
			return fmt.Errorf("the result has no label %s", l)
		}
	}
	return counters(expr, c)
}

// counters says which counter is used as it is: only its growth says something.
func counters(e parser.Expr, c *checker) (err error) {
	parser.Inspect(e, func(n parser.Node, path []parser.Node) error {
		if v, ok := n.(*parser.VectorSelector); ok {
			if m, _, _ := c.of(v.Name); m.kind != "gauge" && (len(path) == 0 || !isMatrix(path[len(path)-1])) {
				err = fmt.Errorf("%s is a %s, and used without rate", v.Name, m.kind)
			}
		}
		return nil
	})
	return err
}

func isMatrix(n parser.Node) bool { _, ok := n.(*parser.MatrixSelector); return ok }

// TestChecker: the checker finds what is wrong.
func TestChecker(t *testing.T) {
	c := newChecker(t)
	for _, tt := range []struct {
		query, mentions, wrong string
	}{
		{`sum by (instance) (rate(realtime_gateway_ended_total{reason="slow"}[5m]))`, "instance", ""},
		{`histogram_quantile(0.9, sum by (le) (rate(realtime_gateway_delivery_seconds_bucket[5m])))`, "", ""},
		{`realtime_gateway_connections / realtime_gateway_max_connections`, "instance", ""},
		{`sum by (`, "", "parse error"},
		{`realtime_gateway_sockets`, "", "no metric"},
		{`realtime_gateway_delivery_seconds`, "", "no metric"},
		{`realtime_gateway_connections{reason="slow"}`, "", "no label reason"},
		{`rate(realtime_gateway_ended_total{reason="sloth"}[5m])`, "", `"sloth"`},
		{`rate(realtime_gateway_dropped_total{reason=~"rate_limit_user|rate_limit_all"}[5m])`, "", `"rate_limit_all"`},
		{`sum by (reason) (realtime_gateway_connections)`, "", "no label reason to group by"},
		{`realtime_ready == 0 unless on (namespace, part) realtime_gateway_draining == 1`, "", "label part"},
		{`realtime_breaker_state > realtime_ready`, "", "labels"},
		{`rate(realtime_gateway_connections[5m])`, "", "of the gauge"},
		{`sum(realtime_gateway_accepted_total)`, "", "without rate"},
		{`histogram_quantile(0.9, sum(rate(realtime_gateway_delivery_seconds_bucket[5m])))`, "", "no label le"},
		{`sum by (namespace) (realtime_ready)`, "instance", "no label instance"},
	} {
		err := c.check(tt.query, strings.Fields(tt.mentions))
		if tt.wrong == "" && err != nil || tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)) {
			t.Errorf("%s: %v, want %q", tt.query, err, tt.wrong)
		}
	}
}

// TestDashboard: every panel asks for what is there, and its legend names labels that come out.
func TestDashboard(t *testing.T) {
	var board struct {
		Panels []struct {
			ID      int
			Type    string
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr, LegendFormat string }
		}
		Templating struct {
			List []struct{ Name, Type, Definition string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, boardFile)), &board); err != nil {
		t.Fatal(err)
	}
	c := newChecker(t)
	var replace []string
	for _, v := range board.Templating.List {
		replace = append(replace, "$"+v.Name, ".*")
		if m := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`).FindStringSubmatch(v.Definition); m != nil {
			if err := c.check(regexp.MustCompile(`\$\w+`).ReplaceAllString(m[1], ".*"), []string{m[2]}); err != nil {
				t.Errorf("variable %s: %v", v.Name, err)
			}
		} else if v.Type != "datasource" {
			t.Errorf("variable %s asks for %q", v.Name, v.Definition)
		}
	}
	for _, name := range []string{"namespace", "job", "instance"} {
		if !slices.Contains(replace, "$"+name) {
			t.Errorf("no variable %s", name)
		}
	}
	variables := strings.NewReplacer(append([]string{"$__rate_interval", "5m"}, replace...)...)
	ids, queries := make(map[int]bool), 0
	for i, p := range board.Panels {
		if ids[p.ID] {
			t.Errorf("%s: another panel has the id %d", p.Title, p.ID)
		}
		ids[p.ID] = true
		for _, o := range board.Panels[:i] {
			a, b := p.GridPos, o.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("%s lies over %s", p.Title, o.Title)
			}
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("%s asks for nothing", p.Title)
		}
		for _, target := range p.Targets {
			queries++
			var mentioned []string
			for _, m := range regexp.MustCompile(`{{(\w+)}}`).FindAllStringSubmatch(target.LegendFormat, -1) {
				mentioned = append(mentioned, m[1])
			}
			if err := c.check(variables.Replace(target.Expr), mentioned); err != nil {
				t.Errorf("%s: %s: %v", p.Title, target.Expr, err)
			}
			if !strings.Contains(target.Expr, "$namespace") || !strings.Contains(target.Expr, "$job") || !strings.Contains(target.Expr, "$instance") {
				t.Errorf("%s: %s does not heed the variables", p.Title, target.Expr)
			}
		}
	}
	if queries < 50 {
		t.Errorf("only %d queries found", queries)
	}
}
