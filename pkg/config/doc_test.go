package config

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestSettingsAreComplete(t *testing.T) {
	seen := make(map[string]bool)
	for _, s := range Settings() {
		if s.Help == "" || strings.ContainsAny(s.Help, "\n|") {
			t.Errorf("%s: help %q is not one line that fits a table", s.label(), s.Help)
		}
		if s.Kind == "" || len(s.Commands) == 0 || s.field.set == nil {
			t.Errorf("%s: incomplete", s.label())
		}
		if seen[s.Flag] {
			t.Errorf("-%s: declared twice", s.Flag)
		}
		seen[s.Flag] = true
		for _, fallback := range []string{s.Default, s.RoleDefault} {
			if fallback == "" {
				continue
			}
			if err := s.field.set(new(Config), fallback); err != nil {
				t.Errorf("%s: its own default: %v", s.label(), err)
			}
		}
	}
}

// TestTextRoundTrip: what Public shows can be set again.
func TestTextRoundTrip(t *testing.T) {
	for _, s := range Settings() {
		if s.Default == "" {
			continue
		}
		first, second := new(Config), new(Config)
		if err := s.field.set(first, s.Default); err != nil {
			t.Fatal(err)
		}
		shown := s.field.text(first)
		if err := s.field.set(second, shown); err != nil || s.field.text(second) != shown {
			t.Errorf("%s: %q becomes %q, %v", s.label(), shown, s.field.text(second), err)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, command := range Commands {
		var b strings.Builder
		Usage(&b, command)
		for _, s := range Settings() {
			if got := strings.Contains(b.String(), "  -"+s.Flag+" ") || strings.Contains(b.String(), "  -"+s.Flag+"\n"); got != s.UsedBy(command) {
				t.Errorf("%s: -%s listed: %v", command, s.Flag, got)
			}
		}
		if strings.Contains(b.String(), "\n\n\n") || purpose[command] == "" {
			t.Errorf("%s: no purpose", command)
		}
	}
}

// readmeRow is the row of README's table that documents s.
func readmeRow(s Setting) string {
	code := func(text string) string {
		if text == "" {
			return "none"
		}
		return "`" + text + "`"
	}
	fallback := code(s.Default)
	if s.RoleDefault != "" {
		fallback += "; single role: " + code(s.RoleDefault)
	}
	return fmt.Sprintf("| `%s` | %s | %s |", s.Name, fallback, s.Help)
}

// TestREADME holds the settings table of README.md to the code, both ways.
func TestREADME(t *testing.T) {
	file, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `[A-Z][A-Z0-9_]*` \\|.*$").FindAllString(string(file), -1)
	var want []string
	for _, s := range Settings() {
		if s.Name != "" {
			want = append(want, readmeRow(s))
		}
	}
	compare(t, "README.md", rows, want)
}

// TestEnvExample holds .env.example to the code, both ways.
func TestEnvExample(t *testing.T) {
	file, err := os.ReadFile("../../.env.example")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^#? ?[A-Z][A-Z0-9_]*=.*$`).FindAllString(string(file), -1)
	var want []string
	for _, s := range Settings() {
		if s.Name != "" {
			want = append(want, fmt.Sprintf("# %s=%s", s.Name, s.Default))
		}
	}
	compare(t, ".env.example", lines, want)
}

func compare(t *testing.T, file string, got, want []string) {
	t.Helper()
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("%s lacks:\n%s", file, line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("%s has what no setting says:\n%s", file, line)
		}
	}
	if !t.Failed() && !slices.Equal(got, want) {
		t.Errorf("%s: the settings are not in the order of the code", file)
	}
}
