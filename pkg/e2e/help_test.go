package e2e_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/realtime-cluster/realtime/pkg/config"
)

// TestHelp: every command explains itself, on standard output and without settings.
func TestHelp(t *testing.T) {
	const overview = "realtime: messaging for browsers"
	for _, tt := range []struct {
		args []string
		want []string // in the text
	}{
		{[]string{"help"}, []string{overview, "realtime token -user NAME", "realtime -dev"}},
		{[]string{"help", "help"}, []string{overview}},
		{[]string{"help", "-h"}, []string{overview}},
		{[]string{"-h"}, []string{overview, "Usage: realtime all [flags]", "-heartbeat-interval"}},
		{[]string{"--help"}, []string{overview, "Usage: realtime all [flags]"}},
		{[]string{"version", "-h"}, []string{"Usage: realtime version"}},
		{[]string{"help", "rules"}, []string{"Usage: realtime rules check"}},
		{[]string{"help", "health"}, []string{"Usage: realtime health"}},
		{[]string{"health", "-h"}, []string{"Usage: realtime health"}},
		{[]string{"help", "check"}, []string{"Usage: realtime check"}},
		{[]string{"help", "version"}, []string{"Usage: realtime version"}},
		{[]string{"version"}, []string{"realtime v1.2.3-test go1."}},
		{[]string{"--version"}, []string{"realtime v1.2.3-test go1."}},
	} {
		code, stdout, stderr := runBinary(t, nil, tt.args...)
		if code != 0 || stderr != "" {
			t.Errorf("%v: exit code %d, stderr %q", tt.args, code, stderr)
		}
		for _, want := range tt.want {
			if !strings.Contains(stdout, want) {
				t.Errorf("%v: no %q in\n%s", tt.args, want, stdout)
			}
		}
	}
	for _, command := range config.Commands {
		_, byHelp, _ := runBinary(t, nil, "help", command)
		for _, flag := range []string{"-h", "-help", "--help", "help"} {
			code, stdout, stderr := runBinary(t, nil, command, flag)
			if code != 0 || stderr != "" || stdout != byHelp {
				t.Errorf("%s %s: exit code %d, stderr %q, stdout\n%s", command, flag, code, stderr, stdout)
			}
		}
		for _, s := range config.SettingsOf(command) {
			if !regexp.MustCompile(`(?m)^  -` + s.Flag + `( |$)`).MatchString(byHelp) {
				t.Errorf("help %s: no -%s", command, s.Flag)
			}
		}
	}
}
