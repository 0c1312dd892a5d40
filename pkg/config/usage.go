package config

import (
	"fmt"
	"io"
	"strings"
)

// purpose says in one line what each command does.
var purpose = map[string]string{
	CommandAll:      "run every role in this process, with an embedded NATS server unless NATS_URL is set",
	CommandGateway:  "run a gateway: the WebSocket connections of clients",
	CommandRouter:   "run a router: the owner of topics",
	CommandPresence: "run a presence node: the owner of users and rooms",
	CommandToken:    "print a token for a user, signed with JWT_SECRET",

	CommandTop:        "show the processes of a cluster, their load, hot topics and slow clients, again and again; q ends it",
	CommandInfo:       "print how the processes of a cluster are, and their settings",
	CommandDrain:      "have a process stop in good order, as SIGTERM does, and follow it until it is gone; whatever runs it may start it again",
	CommandDisconnect: "end all connections of a user; clients that may do so come back",
}

// Usage writes what command does and its settings to w. The errors of w are
// ignored: there is nobody to tell.
func Usage(w io.Writer, command string) {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: realtime %s [flags]\n\n%s\n\n", command, purpose[command])
	b.WriteString("Each setting is a flag or, in brackets, an environment variable; the flag wins.\n\n")
	for _, s := range SettingsOf(command) {
		fmt.Fprintf(&b, "  -%s", s.Flag)
		if s.Kind != KindSwitch {
			fmt.Fprintf(&b, " %s", s.Kind)
		}
		if s.Name != "" {
			fmt.Fprintf(&b, "  [%s]", s.Name)
		}
		fmt.Fprintf(&b, "\n        %s", s.Help)
		if fallback := s.DefaultFor(command); fallback != "" {
			fmt.Fprintf(&b, " (default %s)", fallback)
		}
		b.WriteByte('\n')
	}
	_, _ = io.WriteString(w, b.String())
}
