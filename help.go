package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/realtime-cluster/realtime/pkg/config"
)

// version is set by the linker; see the Makefile.
var version = ""

const overview = `realtime: messaging for browsers and backends, by WebSocket

  realtime [all] [flags]      every role in one process, with an embedded NATS server unless NATS_URL is set
  realtime gateway [flags]    holds the clients' connections
  realtime router [flags]     owns topics
  realtime presence [flags]   owns users and rooms
  realtime token -user NAME   prints a token signed with JWT_SECRET
  realtime version            prints the version
  realtime help [COMMAND]     prints this, or the settings of a command

To try it: realtime -dev
`

func help(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 || args[0] == "help" || asksHelp(args) {
		fmt.Fprint(stdout, overview)
		return 0
	}
	if args[0] == "version" {
		fmt.Fprint(stdout, "Usage: realtime version\n\nprint the version of realtime and of Go, and the platform\n")
		return 0
	}
	if !slices.Contains([]string{config.CommandAll, config.CommandGateway, config.CommandRouter, config.CommandPresence, config.CommandToken}, args[0]) {
		fmt.Fprintf(stderr, "realtime: no help for %q; try: realtime help\n", args[0])
		return 2
	}
	if args[0] == config.CommandAll {
		fmt.Fprint(stdout, overview, "\n")
	}
	config.Usage(stdout, args[0])
	return 0
}

// asksHelp reports whether the arguments of a command without settings ask for help.
func asksHelp(args []string) bool {
	return len(args) > 0 && slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0])
}

func printVersion(args []string, stdout, stderr io.Writer) int {
	switch {
	case asksHelp(args):
		return help([]string{"version"}, stdout, stderr)
	case len(args) > 0:
		fmt.Fprintf(stderr, "realtime: unexpected argument %q: version takes none\n", args[0])
		return 2
	}
	fmt.Fprintln(stdout, "realtime", versionString(), runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH)
	return 0
}

func versionString() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
