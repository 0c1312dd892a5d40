package config

import (
	"slices"
	"strings"
)

// Setting describes one setting.
type Setting struct {
	Name        string   // its environment variable; empty where only a flag sets it
	Flag        string   // its flag, without the dash
	Kind        Kind     // what its text looks like
	Default     string   // as one would write it; empty: none
	RoleDefault string   // default of gateway, router and presence where it is not Default
	Commands    []string // the commands that use it
	Help        string   // its meaning, one line
	Secret      bool     // its value is never shown

	field field
}

// Kind says what the text of a setting looks like.
type Kind string

// The kinds of settings.
const (
	KindText     Kind = "text"
	KindSwitch   Kind = "true|false"
	KindNumber   Kind = "number"
	KindDuration Kind = "duration" // as Go writes it: 30s, 1m30s
	KindSize     Kind = "size"     // bytes: 65536, 64KiB, 1MiB
	KindURL      Kind = "url"
	KindList     Kind = "list" // comma-separated
)

// Settings lists every setting in the order in which they are documented.
func Settings() []Setting { return table() }

// SettingsOf lists the settings that command uses.
func SettingsOf(command string) []Setting {
	return slices.DeleteFunc(table(), func(s Setting) bool { return !s.UsedBy(command) })
}

// UsedBy reports whether command uses the setting.
func (s Setting) UsedBy(command string) bool { return slices.Contains(s.Commands, command) }

// DefaultFor returns the default of the setting in command.
func (s Setting) DefaultFor(command string) string {
	if s.RoleDefault != "" && command != CommandAll {
		return s.RoleDefault
	}
	return s.Default
}

// label is what error lines call the setting.
func (s Setting) label() string {
	if s.Name == "" {
		return "-" + s.Flag
	}
	return s.Name
}

// Public returns the settings of c's command and their values by name, for
// people to read: secrets are left out, and so are the credentials in URLs.
func (c *Config) Public() map[string]string {
	out := make(map[string]string)
	for _, s := range SettingsOf(c.Command) {
		if s.Name != "" && !s.Secret {
			out[s.Name] = s.field.text(c)
		}
	}
	return out
}

// flagName is the flag of the environment variable name.
func flagName(name string) string {
	return strings.ReplaceAll(strings.ToLower(name), "_", "-")
}
