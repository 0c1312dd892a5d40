package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/realtime-cluster/realtime/pkg/config"
)

// healthTime is how long Health waits for the answer, longer than /readyz ever takes.
const healthTime = 5 * time.Second

// Health asks the process that listens on HOST and PORT of this machine whether it is ready: /readyz. It is the health check
// of a container that has no shell. It returns the exit code: 0 ready, 1 not, 2 for a wrong call.
func Health(args []string, lookup func(string) (string, bool), stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("health", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	host, port := setting("HOST", lookup), setting("PORT", lookup)
	flags.StringVar(&host, "host", host, "")
	flags.StringVar(&port, "port", port, "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp) || AsksHelp(flags.Args()):
		return Help([]string{"health"}, stdout, stderr)
	case err != nil:
		fmt.Fprintf(stderr, "realtime: %v; try: realtime help health\n", err)
		return 2
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "realtime: unexpected argument %q; try: realtime help health\n", flags.Arg(0))
		return 2
	}
	// Not the name localhost, which an image without /etc/hosts does not know.
	switch addr, err := netip.ParseAddr(host); {
	case err != nil || !addr.IsUnspecified():
	case addr.Is4():
		host = "127.0.0.1"
	default:
		host = "::1"
	}
	ctx, cancel := context.WithTimeout(context.Background(), healthTime)
	defer cancel()
	code, body, err := ask(ctx, "http://"+net.JoinHostPort(host, port)+"/readyz")
	switch {
	case err != nil:
		fmt.Fprintln(stderr, "realtime:", err)
		return 1
	case code != http.StatusOK:
		fmt.Fprintf(stderr, "realtime: not ready: %s\n", body)
		return 1
	}
	fmt.Fprintln(stdout, body)
	return 0
}

// setting is what the environment says of a setting, or its default.
func setting(name string, lookup func(string) (string, bool)) string {
	if v, _ := lookup(name); strings.TrimSpace(v) != "" {
		return strings.TrimSpace(v)
	}
	for _, s := range config.Settings() {
		if s.Name == name {
			return s.Default
		}
	}
	return ""
}

// ask gets a page, as far as it is of one line's length.
func ask(ctx context.Context, url string) (code int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // and no proxy
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	return resp.StatusCode, strings.TrimSpace(string(text)), err
}

const healthHelp = `Usage: realtime health [-host HOST] [-port PORT]

ask the process that listens on HOST and PORT of this machine whether it is ready: exit code 0 when it is, 1 when it is not
`
