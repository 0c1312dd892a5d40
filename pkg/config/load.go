package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/realtime-cluster/realtime/pkg/settings"
)

// maxParallel bounds LOOPS and LANES.
const maxParallel = 64

// ErrHelp is returned by Load where the arguments ask for help: -h, -help or
// help.
var ErrHelp = errors.New("help requested")

// Load reads and checks the settings of command from args, the arguments after
// the command's name, and from lookup, the environment (os.LookupEnv). A flag
// wins over the environment; an empty environment variable counts as unset, an
// empty flag unsets what the environment says. Any error but ErrHelp is one line
// for the user, of a settings file one for each mistake in it; it names the setting
// and what it may be.
func Load(command string, args []string, lookup func(string) (string, bool)) (*Config, error) {
	settings := SettingsOf(command)
	if len(settings) == 0 {
		return nil, fmt.Errorf("%s is not a command that has settings", quote(command))
	}
	given, err := parseFlags(command, settings, args)
	if err != nil {
		return nil, err
	}
	for _, s := range settings {
		if _, ok := given[s.Flag]; ok || s.Name == "" {
			continue
		}
		if value, ok := lookup(s.Name); ok && strings.TrimSpace(value) != "" {
			given[s.Flag] = value
		}
	}

	c := &Config{Command: command}
	for _, s := range settings {
		value, ok := given[s.Flag]
		if !s.Secret {
			value = strings.TrimSpace(value)
		}
		fallback := s.DefaultFor(command)
		if !ok {
			value = fallback
		}
		if value == "" && fallback == "" {
			continue
		}
		if err := s.field.set(c, value); err != nil {
			return nil, fmt.Errorf("%s: %w", s.label(), err)
		}
	}
	if err := c.readSettings(); err != nil {
		return nil, err
	}
	_, formatGiven := given["log-format"]
	c.derive(formatGiven)
	if err := c.check(); err != nil {
		return nil, err
	}
	return c, nil
}

// readSettings reads the settings file, where there is one.
func (c *Config) readSettings() (err error) {
	if c.SettingsFile == "" {
		return nil
	}
	c.Settings, err = settings.Read(c.SettingsFile)
	return Blame("SETTINGS_FILE", err)
}

// Blame names a setting in each line of an error; nil remains nil.
func Blame(setting string, err error) error {
	if err == nil {
		return nil
	}
	label := setting + ": "
	return errors.New(label + strings.ReplaceAll(err.Error(), "\n", "\n"+label))
}

// derive fills in the defaults that depend on the machine or on other settings.
func (c *Config) derive(formatGiven bool) {
	if !slices.Contains(everyRole, c.Command) {
		return
	}
	if c.NodeName == "" {
		c.NodeName = hostLabel()
	}
	if c.Dev && !formatGiven {
		c.Log.Format = "console"
	}
	if c.Dev && c.SettingsFile == "" {
		c.Settings = settings.Dev()
	}
	processors := min(runtime.GOMAXPROCS(0), maxParallel)
	if c.Gateway.Loops == 0 && c.Command != CommandRouter && c.Command != CommandPresence {
		c.Gateway.Loops = processors
	}
	if c.Router.Lanes == 0 && c.Command != CommandGateway {
		c.Router.Lanes = processors
	}
}

// hostLabel is the host's name where that can be a node's name.
func hostLabel() string {
	name, err := os.Hostname()
	if err == nil {
		name, err = parseNodeName(name)
	}
	if err != nil {
		return "node"
	}
	return name
}

// parseFlags returns the texts of the flags in args by flag.
func parseFlags(command string, settings []Setting, args []string) (map[string]string, error) {
	if len(args) > 0 && args[0] == "help" {
		return nil, ErrHelp
	}
	given := make(map[string]string)
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	for _, s := range settings {
		set := func(text string) error { given[s.Flag] = text; return nil }
		if s.Kind == KindSwitch {
			flags.BoolFunc(s.Flag, s.Help, set)
		} else {
			flags.Func(s.Flag, s.Help, set)
		}
	}
	if err := flags.Parse(args); err != nil {
		return nil, flagError(command, err)
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %s: settings are flags, see realtime %s -h", quote(flags.Arg(0)), command)
	}
	return given, nil
}

// flagError words what the flag package says so that it leads somewhere.
func flagError(command string, err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return ErrHelp
	}
	name, unknown := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !unknown {
		return fmt.Errorf("%w; see realtime %s -h", err, command)
	}
	for _, s := range Settings() {
		if s.Flag == name {
			return fmt.Errorf("-%s: not a setting of realtime %s, only of %s", name, command, strings.Join(s.Commands, ", "))
		}
	}
	return fmt.Errorf("-%s: no such setting; see realtime %s -h", name, command)
}
