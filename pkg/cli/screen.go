package cli

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
)

// Screen is what development mode shows.
type Screen struct {
	Version string
	Addr    net.Addr          // of the listener
	Tokens  map[string]string // by user; empty: they are signed elsewhere
	OneOff  bool              // the secret behind them ends with the process
}

// Print prints the screen: where everything is, the tokens, and a client to paste.
func (s *Screen) Print(w io.Writer) {
	addr := reachable(s.Addr)
	fmt.Fprintf(w, screen, s.Version, addr, addr, addr, addr)
	if len(s.Tokens) == 0 {
		return
	}
	users := slices.Sorted(maps.Keys(s.Tokens))
	for _, user := range users {
		fmt.Fprintf(w, "  Token of %-6s%s\n", user, s.Tokens[user])
	}
	if s.OneOff {
		fmt.Fprint(w, oneOff)
	}
	fmt.Fprintf(w, snippet, addr, s.Tokens[users[0]], users[len(users)-1])
}

// reachable is a listener's address as a client on this machine may write it.
func reachable(addr net.Addr) string {
	host, port, _ := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); ip.IsUnspecified() || ip.IsLoopback() {
		host = "localhost"
	}
	return net.JoinHostPort(cmp.Or(host, "localhost"), port)
}

const screen = `
realtime %s in development mode; Ctrl-C ends it

  WebSocket  ws://%s/ws
  Health     http://%s/health
  Info       http://%s/info
  Metrics    http://%s/metrics

`

const oneOff = `
The tokens are good for a day, or until the process ends: its JWT_SECRET is a one-off.
`

const snippet = `
Paste this into a browser's console, on about:blank, or into node, 22 and later:

  var ws = new WebSocket("ws://%s/ws?token=%s");
  ws.onmessage = (e) => console.log(e.data);
  ws.onclose = (e) => console.log("closed", e.code, e.reason);
  ws.onopen = () => {
    ws.send(JSON.stringify({ type: "Subscribe", id: "1", data: { topics: ["chat.lobby"] } }));
    ws.send(JSON.stringify({ type: "Broadcast", id: "2", data: { topic: "chat.lobby", payload: "hello" } }));
    ws.send(JSON.stringify({ type: "DirectMessage", id: "3", data: { target_user: "%s", payload: "waits until you come" } }));
  };

`
