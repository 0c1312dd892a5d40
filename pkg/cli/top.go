package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"github.com/realtime-cluster/realtime/pkg/config"
	"github.com/realtime-cluster/realtime/pkg/control"
)

// The figures of a report that are shown, by their names on /metrics.
const (
	figCPU            = "process_cpu_seconds_total"
	figMemory         = "process_resident_memory_bytes"
	figConnections    = "realtime_gateway_connections"
	figMaxConnections = "realtime_gateway_max_connections"
	figFramesIn       = "realtime_gateway_frames_received_total"
	figFramesOut      = "realtime_gateway_frames_sent_total"
	figOutbox         = "realtime_gateway_outbox_bytes"
	figBatchesIn      = "realtime_owner_batches_received_total"
	figBatchesOut     = "realtime_owner_batches_sent_total"
	figUsers          = "realtime_presence_users"
	figTopics         = "realtime_router_topics"
)

// figDrops are what was dropped or refused, anywhere.
var figDrops = []string{
	"realtime_gateway_dropped_total", "realtime_owner_dropped_total", "realtime_owner_refused_total", "realtime_presence_dropped_total",
}

// What a terminal is told: the other screen and no cursor, and back; home; the rest of the line, and of the screen, cleared.
const (
	screenEnter = "\x1b[?1049h\x1b[?25l"
	screenLeave = "\x1b[?25h\x1b[?1049l"
	screenHome  = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// top shows how a cluster is: on a terminal again and again until q, Ctrl-C or a signal; otherwise once.
func top(ctx context.Context, client *control.Client, cfg config.Control, stdin *os.File, stdout io.Writer) error {
	out, _ := stdout.(*os.File)
	if cfg.Once || out == nil || !term.IsTerminal(int(out.Fd())) {
		before, err := client.Reports(ctx)
		if err != nil {
			return err
		}
		if err := sleep(ctx, cfg.Interval); err != nil {
			return err
		}
		now, err := client.Reports(ctx)
		if err != nil {
			return err
		}
		_, err = io.WriteString(stdout, page(before, now))
		return err
	}
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	if term.IsTerminal(int(stdin.Fd())) {
		old, err := term.MakeRaw(int(stdin.Fd()))
		if err != nil {
			return err
		}
		defer func() { _ = term.Restore(int(stdin.Fd()), old) }()
		go awaitQuit(stdin, quit) // ends with the process: a read of a terminal cannot be cut short
	}
	fmt.Fprint(out, screenEnter)
	defer fmt.Fprint(out, screenLeave)
	var before []control.Report
	for ctx.Err() == nil {
		now, err := client.Reports(ctx)
		width, height, sizeErr := term.GetSize(int(out.Fd()))
		if sizeErr != nil {
			width, height = 120, 40
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil: // it may come back
			show(out, "realtime: "+err.Error()+"; q ends this\n", width, height)
		case before == nil:
			show(out, "realtime: one moment, rates need two looks\n", width, height)
			before = now
		default:
			show(out, page(before, now), width, height)
			before = now
		}
		if sleep(ctx, cfg.Interval) != nil {
			return nil
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// awaitQuit reads keys until one of those that end.
func awaitQuit(stdin io.Reader, quit func()) {
	var key [1]byte
	for {
		if n, err := stdin.Read(key[:]); err != nil || n == 1 && (key[0] == 'q' || key[0] == 'Q' || key[0] == 3) {
			quit()
			return
		}
	}
}

// show puts a page on a terminal in raw mode, as much as it has room for.
func show(w io.Writer, page string, width, height int) {
	lines := strings.Split(strings.TrimSuffix(page, "\n"), "\n")
	lines = lines[:min(len(lines), max(height-1, 1))]
	var b strings.Builder
	b.WriteString(screenHome)
	for _, line := range lines {
		if r := []rune(line); len(r) > width {
			line = string(r[:width])
		}
		b.WriteString(line + clearLine + "\r\n")
	}
	b.WriteString(clearBelow)
	_, _ = io.WriteString(w, b.String())
}

// rates are what happened at a process between two reports, a second.
type rates struct {
	report   *control.Report
	seconds  float64
	earlier  *control.Report // nil: there was none
	delivery []control.Bucket
}

func between(before []control.Report, r *control.Report) rates {
	v := rates{report: r}
	if i := slices.IndexFunc(before, func(b control.Report) bool { return b.ID == r.ID }); i >= 0 {
		v.earlier = &before[i]
		v.seconds = r.At.Sub(v.earlier.At).Seconds()
		v.delivery = v.earlier.Delivery
	}
	return v
}

// of is the sum of the rates of some counters.
func (v *rates) of(figures ...string) (sum float64) {
	if v.seconds <= 0 {
		return 0
	}
	for _, f := range figures {
		sum += (v.report.Figures[f] - v.earlier.Figures[f]) / v.seconds
	}
	return sum
}

// page shows a cluster by two looks at it.
func page(before, now []control.Report) string {
	var b strings.Builder
	var all []rates
	var connections, room, in, out, dropped float64
	var was, is []control.Bucket
	ready := 0
	for i := range now {
		v := between(before, &now[i])
		all = append(all, v)
		connections += v.report.Figures[figConnections]
		room += v.report.Figures[figMaxConnections]
		in += v.of(figFramesIn)
		out += v.of(figFramesOut)
		dropped += v.of(figDrops...)
		was, is = addBuckets(was, v.delivery), addBuckets(is, v.report.Delivery)
		if v.report.Status != "unhealthy" {
			ready++
		}
	}
	fmt.Fprintf(&b, "realtime  %d of %d processes ready  %s of %s connections  %s frames/s in, %s out  %s dropped/s  delivery %s  %s\n",
		ready, len(now), short(connections), short(room), short(in), short(out), short(dropped), quantiles(was, is),
		time.Now().UTC().Format("15:04:05Z"))
	fmt.Fprintf(&b, "views     %s\n", views(now))
	fmt.Fprintf(&b, "breakers  %s\n\n", breakers(now))

	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "ROLE\tNODE\tVERSION\tUP\tSTATUS\tCONNS\tIN/s\tOUT/s\tDROP/s\tUNREAD\tp99\tUSERS\tTOPICS\tBATCH/s\tCPU%\tMEM\t")
	for i := range all {
		v := &all[i]
		f := v.report.Figures
		p99 := "-"
		if q, ok := control.Quantile(.99, v.delivery, v.report.Delivery); ok && v.earlier != nil {
			p99 = millis(q)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%.0f\t%s\t\n",
			v.report.Role, v.report.Node, v.report.Version, age(v.report), v.report.Status,
			short(f[figConnections]), short(v.of(figFramesIn)), short(v.of(figFramesOut)), short(v.of(figDrops...)),
			bytesText(f[figOutbox]), p99, short(f[figUsers]), short(f[figTopics]),
			short(v.of(figBatchesIn, figBatchesOut)), 100*v.of(figCPU), bytesText(f[figMemory]))
	}
	_ = t.Flush() // a strings.Builder takes all
	for _, r := range now {
		for name, why := range r.Troubles {
			fmt.Fprintf(&b, "! %s %s: %s: %s\n", r.Role, r.Node, name, why)
		}
	}
	hotTopics(&b, now)
	slowClients(&b, now)
	return b.String()
}

func addBuckets(sum, more []control.Bucket) []control.Bucket {
	if len(sum) != len(more) {
		return slices.Clone(more)
	}
	for i := range sum {
		sum[i].Count += more[i].Count
	}
	return sum
}

func quantiles(was, is []control.Bucket) string {
	p50, ok := control.Quantile(.5, was, is)
	p99, _ := control.Quantile(.99, was, is)
	if !ok {
		return "-"
	}
	return fmt.Sprintf("p50 %s, p99 %s", millis(p50), millis(p99))
}

// views tells whom the processes take for alive, and whether they agree.
func views(now []control.Report) string {
	var parts []string
	for _, role := range []string{config.CommandGateway, config.CommandRouter, config.CommandPresence} {
		versions := make(map[uint32]bool)
		var v control.View
		for _, r := range now {
			if one, ok := r.Views[role]; ok {
				versions[one.Version] = true
				v = one
			}
		}
		text := fmt.Sprintf("%s %d", role, v.Active)
		if v.Leaving > 0 {
			text += fmt.Sprintf(" (%d leaving)", v.Leaving)
		}
		if len(versions) > 1 {
			text = fmt.Sprintf("%s: %d different views", role, len(versions))
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "  ")
}

// breakers tells which circuit breakers are not closed.
func breakers(now []control.Report) string {
	var open []string
	for _, r := range now {
		for of, state := range r.Breakers {
			if state != "closed" {
				open = append(open, fmt.Sprintf("%s %s: %s %s", r.Role, r.Node, of, state))
			}
		}
	}
	if len(open) == 0 {
		return "all closed"
	}
	slices.Sort(open)
	return strings.Join(open, "  ")
}

// How many hot topics and slow clients are shown.
const listed = 8

func hotTopics(b *strings.Builder, now []control.Report) {
	perTopic := make(map[string]float64)
	for _, r := range now {
		for _, t := range r.Topics {
			perTopic[t.Key] += t.PerSecond
		}
	}
	if len(perTopic) == 0 {
		return
	}
	names := make([]string, 0, len(perTopic))
	for name := range perTopic {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := perTopic[b] - perTopic[a]; d != 0 {
			return int(max(-1, min(1, d*1e9)))
		}
		return strings.Compare(a, b)
	})
	b.WriteString("\nHOT TOPICS  messages/s, estimated\n")
	for _, name := range names[:min(len(names), listed)] {
		fmt.Fprintf(b, "%10s  %s\n", short(perTopic[name]), name)
	}
}

func slowClients(b *strings.Builder, now []control.Report) {
	type client struct {
		control.SlowClient
		node string
	}
	var all []client
	for _, r := range now {
		for _, s := range r.Slow {
			all = append(all, client{s, r.Node})
		}
	}
	if len(all) == 0 {
		return
	}
	slices.SortStableFunc(all, func(a, b client) int { return b.Waiting - a.Waiting })
	b.WriteString("\nSLOW CLIENTS  bytes that wait because they do not read\n")
	for _, c := range all[:min(len(all), listed)] {
		fmt.Fprintf(b, "%10s  %s at %s\n", bytesText(float64(c.Waiting)), c.User, c.node)
	}
}

// short writes a number in up to five characters.
func short(v float64) string {
	switch {
	case v < 10 && v != float64(int(v)):
		return fmt.Sprintf("%.1f", v)
	case v < 10_000:
		return fmt.Sprintf("%.0f", v)
	case v < 1e6:
		return fmt.Sprintf("%.1fk", v/1e3)
	}
	return fmt.Sprintf("%.1fM", v/1e6)
}

func millis(seconds float64) string { return fmt.Sprintf("%.1f ms", seconds*1e3) }

func bytesText(v float64) string {
	switch {
	case v < 1<<10:
		return fmt.Sprintf("%.0f B", v)
	case v < 1<<20:
		return fmt.Sprintf("%.0f KiB", v/(1<<10))
	case v < 1<<30:
		return fmt.Sprintf("%.0f MiB", v/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", v/(1<<30))
}
