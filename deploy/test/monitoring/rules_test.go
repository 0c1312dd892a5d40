package monitoring

import (
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

// rules reads the alerts, as strictly as Prometheus does.
func rules(t *testing.T) []rulefmt.Rule {
	t.Helper()
	groups, errs := rulefmt.Parse([]byte(read(t, alertsFile)), false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	for _, err := range errs {
		t.Error(err)
	}
	if groups == nil {
		t.Fatal("no rules")
	}
	var all []rulefmt.Rule
	for _, g := range groups.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// TestAlerts: every alert asks for what is there, says how bad it is, and where it is explained: docs/OPERATIONS.md has a section
// for each, and for none that is not.
func TestAlerts(t *testing.T) {
	c := newChecker(t)
	_, section, ok := strings.Cut(read(t, operations), "\n## Alerts\n")
	if !ok {
		t.Fatalf("%s has no section Alerts", operations)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var explained []string
	for _, m := range regexp.MustCompile(`(?m)^### (.+)$`).FindAllStringSubmatch(section, -1) {
		explained = append(explained, m[1])
	}
	var names []string
	for _, r := range rules(t) {
		names = append(names, r.Alert)
		summary := r.Annotations["summary"]
		var mentioned []string
		for _, m := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(summary, -1) {
			mentioned = append(mentioned, m[1])
		}
		if err := c.check(r.Expr, mentioned); err != nil {
			t.Errorf("%s: %v", r.Alert, err)
		}
		if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
			t.Errorf("%s is %q", r.Alert, r.Labels["severity"])
		}
		if summary == "" {
			t.Errorf("%s has no summary", r.Alert)
		}
		if want := "/docs/OPERATIONS.md#" + strings.ToLower(r.Alert); !strings.HasSuffix(r.Annotations["runbook_url"], want) {
			t.Errorf("%s is explained at %q, want …%s", r.Alert, r.Annotations["runbook_url"], want)
		}
		if !slices.Contains(explained, r.Alert) {
			t.Errorf("%s does not explain %s", operations, r.Alert)
		}
	}
	for i, name := range explained {
		if !slices.Contains(names, name) || slices.Contains(explained[:i], name) {
			t.Errorf("%s explains %s, which is no alert, or twice", operations, name)
		}
	}
	if slices.Sort(names); len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("an alert is there twice: %v", names)
	}
}
