// Package cli is what the command line prints: help, the version, and the screen of development mode.
package cli

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/realtime-cluster/realtime/pkg/config"
)

const overview = `realtime: messaging for browsers and backends, by WebSocket

  realtime [all] [flags]      every role in one process, with an embedded NATS server unless NATS_URL is set
  realtime gateway [flags]    holds the clients' connections
  realtime router [flags]     owns topics
  realtime presence [flags]   owns users and rooms
  realtime token -user NAME   prints a token signed with JWT_SECRET
  realtime top                shows the processes of a cluster and their load, over NATS
  realtime info [-node NAME]  prints how the processes of a cluster are, over NATS
  realtime drain -node NAME   has a process stop in good order, and follows it, over NATS
  realtime disconnect -user NAME
                              ends all connections of a user, over NATS
  realtime rules check|test   checks files of routing rules, tells what they make of a message
  realtime health             asks a process of this machine whether it is ready
  realtime check -url URL     sends a message through a cluster and awaits its delivery
  realtime version            prints the version
  realtime help [COMMAND]     prints this, or the settings of a command

To try it: realtime -dev
`

// Help prints the overview, or the help of the command that args names. It returns the exit code.
func Help(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 || args[0] == "help" || AsksHelp(args) {
		fmt.Fprint(stdout, overview)
		return 0
	}
	if args[0] == "rules" {
		return Rules([]string{"help"}, nil, stdout, stderr)
	}
	if args[0] == "health" {
		fmt.Fprint(stdout, healthHelp)
		return 0
	}
	if args[0] == "check" {
		fmt.Fprint(stdout, checkHelp)
		return 0
	}
	if args[0] == "version" {
		fmt.Fprint(stdout, "Usage: realtime version\n\nprint the version of realtime and of Go, and the platform\n")
		return 0
	}
	if !slices.Contains(config.Commands, args[0]) {
		fmt.Fprintf(stderr, "realtime: no help for %q; try: realtime help\n", args[0])
		return 2
	}
	if args[0] == config.CommandAll {
		fmt.Fprint(stdout, overview, "\n")
	}
	config.Usage(stdout, args[0])
	return 0
}

// AsksHelp reports whether the arguments of a command without settings ask for help.
func AsksHelp(args []string) bool {
	return len(args) > 0 && slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0])
}

// PrintVersion prints the version of the program, of Go, and the platform. It returns the exit code.
func PrintVersion(version string, args []string, stdout, stderr io.Writer) int {
	switch {
	case AsksHelp(args):
		return Help([]string{"version"}, stdout, stderr)
	case len(args) > 0:
		fmt.Fprintf(stderr, "realtime: unexpected argument %q: version takes none\n", args[0])
		return 2
	}
	fmt.Fprintln(stdout, "realtime", Version(version), runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH)
	return 0
}

// Version is the program's version: the one that the linker stamped, or else the build's.
func Version(version string) string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
