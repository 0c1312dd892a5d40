package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"os/user"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/backbone"
	"github.com/realtime-cluster/realtime/pkg/config"
	"github.com/realtime-cluster/realtime/pkg/control"
)

// Control runs a command that asks the processes of a cluster: top, info, drain or disconnect. Its errors are one line each.
func Control(cfg *config.Config, stdin *os.File, stdout io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	conn, err := backbone.Connect(ctx, backbone.ConnConfig{
		URLs: config.Reveal(cfg.NATS.URLs), Name: "realtime " + cfg.Command, Credentials: cfg.NATS.Credentials,
		ConnectTimeout: cfg.NATS.ConnectTimeout, Metrics: backbone.NewMetrics(prometheus.NewRegistry()), Log: zap.NewNop(),
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	client := control.NewClient(conn, whoAsks())
	switch cfg.Command {
	case config.CommandTop:
		err = top(ctx, client, cfg.Control, stdin, stdout)
	case config.CommandInfo:
		err = info(ctx, client, cfg.Control, stdout)
	case config.CommandDrain:
		err = drain(ctx, client, cfg.Control, stdout)
	case config.CommandDisconnect:
		if err = client.Disconnect(ctx, cfg.User); errors.Is(err, control.ErrNobody) {
			err = errors.New("no gateway is connected to this NATS")
		} else if err == nil {
			fmt.Fprintf(stdout, "%s is disconnected\n", cfg.User)
		}
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return errors.New("interrupted")
	}
	return err
}

// whoAsks is for the logs of those who are asked.
func whoAsks() string {
	host, _ := os.Hostname()
	if u, err := user.Current(); err == nil {
		return u.Username + "@" + host
	}
	return host
}

// find returns the reports of the processes that name means; all for the empty one.
func find(ctx context.Context, client *control.Client, name string) ([]control.Report, error) {
	all, err := client.Reports(ctx)
	if err != nil || name == "" {
		return all, err
	}
	found := slices.DeleteFunc(slices.Clone(all), func(r control.Report) bool { return r.ID != name && r.Node != name })
	if len(found) == 0 {
		var names []string
		for _, r := range all {
			names = append(names, r.Node)
		}
		return nil, fmt.Errorf("-node: nobody is called %q, only %s", name, strings.Join(slices.Compact(names), ", "))
	}
	return found, nil
}

func info(ctx context.Context, client *control.Client, cfg config.Control, stdout io.Writer) error {
	reports, err := find(ctx, client, cfg.Node)
	if err != nil {
		return err
	}
	if cfg.JSON {
		out := json.NewEncoder(stdout)
		out.SetIndent("", "  ")
		return out.Encode(reports)
	}
	for i, r := range reports {
		if i > 0 {
			fmt.Fprintln(stdout)
		}
		describe(stdout, &r)
	}
	return nil
}

// describe prints a report for people.
func describe(w io.Writer, r *control.Report) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	defer t.Flush()
	line := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	line("node", "%s", r.Node)
	line("id", "%s", r.ID)
	line("role", "%s", r.Role)
	line("version", "%s", r.Version)
	line("address", "%s, pid %d", r.Address, r.PID)
	line("started", "%s, %s ago", r.StartedAt.UTC().Format(time.RFC3339), age(r))
	line("status", "%s", r.Status)
	for _, name := range slices.Sorted(maps.Keys(r.Troubles)) {
		line("trouble", "%s: %s", name, r.Troubles[name])
	}
	for _, role := range slices.Sorted(maps.Keys(r.Views)) {
		v := r.Views[role]
		line("view", "%s: %d active, %d leaving, version %08x", role, v.Active, v.Leaving, v.Version)
	}
	for _, of := range slices.Sorted(maps.Keys(r.Breakers)) {
		line("breaker", "%s: %s", of, r.Breakers[of])
	}
	if r.Role == config.CommandAll || r.Role == config.CommandGateway {
		line("connections", "%.0f of %.0f", r.Figures[figConnections], r.Figures[figMaxConnections])
	}
	line("memory", "%s", bytesText(r.Figures[figMemory]))
	for _, name := range slices.Sorted(maps.Keys(r.Settings)) {
		line("setting", "%s=%s", name, r.Settings[name])
	}
}

func age(r *control.Report) time.Duration { return r.At.Sub(r.StartedAt).Round(time.Second) }

// drain has a process stop, and tells how far it is until it is gone.
func drain(ctx context.Context, client *control.Client, cfg config.Control, stdout io.Writer) error {
	found, err := find(ctx, client, cfg.Node)
	if err != nil {
		return err
	}
	if len(found) > 1 {
		var ids []string
		for _, r := range found {
			ids = append(ids, fmt.Sprintf("%s (%s at %s)", r.ID, r.Role, r.Address))
		}
		return fmt.Errorf("-node: %d processes are called %q, say which: %s", len(found), cfg.Node, strings.Join(ids, ", "))
	}
	of := found[0]
	began := time.Now()
	if err := client.Drain(ctx, of.ID); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s %s drains: %.0f connections\n", of.Role, of.Node, of.Figures[figConnections])
	for last := of.Figures[figConnections]; ; {
		select {
		case <-ctx.Done():
			return errors.New("interrupted: it goes on draining")
		case <-time.After(cfg.Interval):
		}
		r, err := client.Report(ctx, of.ID)
		embedded := errors.Is(err, control.ErrAway) && of.Role == config.CommandAll // NATS went with it
		switch {
		case errors.Is(err, control.ErrNobody) || embedded:
			fmt.Fprintf(stdout, "%s %s is gone after %s\n", of.Role, of.Node, time.Since(began).Round(100*time.Millisecond))
			return nil
		case errors.Is(err, control.ErrAway):
			continue
		case err != nil:
			return err
		}
		if n := r.Figures[figConnections]; n != last {
			fmt.Fprintf(stdout, "%.0f connections\n", n)
			last = n
		}
	}
}
