package main

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"time"

	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/auth"
)

// announce says that everything runs; in development mode, how to try it.
func (n *node) announce(stdout io.Writer) {
	n.log.Info("ready", zap.String("version", versionString()), zap.Stringer("address", n.listener.Addr()),
		zap.String("command", n.cfg.Command))
	if !n.cfg.Dev {
		return
	}
	addr := n.reachable()
	fmt.Fprintf(stdout, screen, versionString(), addr, addr, addr, addr)
	if n.cfg.Auth.Secret == "" {
		return // tokens are signed elsewhere
	}
	tokens := make(map[string]string)
	for _, user := range []string{"alice", "bob"} {
		token, err := auth.Mint(n.cfg.Auth.Secret, auth.TokenSpec{
			User: user, Issuer: n.cfg.Auth.Issuer, Audience: n.cfg.Auth.Audience, TTL: 24 * time.Hour, Now: time.Now(),
		})
		if err != nil {
			n.log.Error("mint a token", zap.Error(err))
			return
		}
		tokens[user] = token
		fmt.Fprintf(stdout, "  Token of %-6s%s\n", user, token)
	}
	if n.oneOff {
		fmt.Fprint(stdout, oneOff)
	}
	fmt.Fprintf(stdout, snippet, addr, tokens["alice"])
}

// reachable is the listener's address as a client on this machine may write it.
func (n *node) reachable() string {
	host, port, _ := net.SplitHostPort(n.listener.Addr().String())
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
  };

`
