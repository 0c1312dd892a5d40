//go:build linux

package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
)

//go:embed report.html
var page string

var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"list": list,
	"join": func(parts []string) string { return strings.Join(parts, " ") },
	"mb":   func(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/(1<<20)) },
	"ms":   func(v float64) string { return fmt.Sprintf("%.2f ms", v) },
	"n":    number3,
	"dict": func(name string, l latency) map[string]latency { return map[string]latency{name: l} },
}).Parse(page))

// writeHTML writes one page that needs nothing else.
func (r *report) writeHTML(w io.Writer) error {
	if err := pageTemplate.Execute(w, map[string]any{"R": r, "Charts": r.charts()}); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// charts plots the series and the distribution.
func (r *report) charts() []chart {
	const most = 1000 // points of a line
	var series []moment
	every := len(r.Series)/most + 1
	for i := 0; i < len(r.Series); i += every {
		series = append(series, r.Series[i])
	}
	x, marks := times(series)
	line := func(name string, f func(m *moment) float64) values {
		v := values{name: name}
		for i := range series {
			v.y = append(v.y, f(&series[i]))
		}
		return v
	}
	latency := func(name string, f func(m *moment) float64) values {
		return line(name, func(m *moment) float64 {
			if m.Max == 0 { // nothing came
				return math.NaN()
			}
			return f(m)
		})
	}
	list := []chart{
		newChart("Connections", x, marks, false, []values{line("connections", func(m *moment) float64 { return float64(m.Connections) })}),
		newChart("New connections a second", x, marks, false, []values{line("connects", func(m *moment) float64 { return m.Connects })}),
		newChart("Messages sent a second", x, marks, false, []values{line("sent", func(m *moment) float64 { return m.Sent })}),
		newChart("Deliveries a second", x, marks, false, []values{line("delivered", func(m *moment) float64 { return m.Delivered })}),
		newChart("Latency of deliveries over time, ms", x, marks, true, []values{
			latency("p50", func(m *moment) float64 { return m.P50 }), latency("p95", func(m *moment) float64 { return m.P95 }),
			latency("p99", func(m *moment) float64 { return m.P99 }), latency("max", func(m *moment) float64 { return m.Max }),
		}),
		r.distributionChart(),
	}
	if r.Server == nil {
		return list
	}
	var cpu, rss []values
	for i, p := range r.Server.Processes {
		cpu = append(cpu, line(p.Name, func(m *moment) float64 { return m.CPU[i] }))
		rss = append(rss, line(p.Name, func(m *moment) float64 { return float64(m.RSS[i]) / (1 << 20) }))
	}
	cpu = append(cpu, line("clients", func(m *moment) float64 { return m.ClientCPU }))
	return append(list, newChart("CPU of the servers, % of one core", x, marks, false, cpu),
		newChart("Memory of the servers, MB", x, marks, false, rss), r.memoryChart())
}

// times are the seconds of moments, and the marks below them.
func times(series []moment) (x []float64, marks []mark) {
	for _, m := range series {
		x = append(x, m.At)
	}
	if len(x) == 0 {
		return nil, nil
	}
	for i := range 6 {
		v := x[0] + (x[len(x)-1]-x[0])*float64(i)/5
		marks = append(marks, mark{v, number3(v) + " s"})
	}
	return x, marks
}

// distributionChart has percentiles from left to right, ever closer to 100.
func (r *report) distributionChart() chart {
	var x []float64
	v := values{name: "deliveries"}
	for _, q := range r.Distribution {
		if q.Percentile < 100 {
			x, v.y = append(x, -math.Log10(1-q.Percentile/100)), append(v.y, q.Millis)
		}
	}
	var marks []mark
	for _, p := range []float64{0, 50, 90, 99, 99.9, 99.99, 99.999} {
		if at := -math.Log10(1 - p/100); len(x) > 0 && at <= x[len(x)-1]+1e-9 {
			marks = append(marks, mark{at, number5(p) + " %"})
		}
	}
	return newChart("Distribution of the latency of deliveries, ms, by percentile", x, marks, true, []values{v})
}

// memoryChart has the servers' memory over the connections.
func (r *report) memoryChart() chart {
	var x []float64
	var marks []mark
	v := values{name: "all servers"}
	for _, s := range r.Connect.Steps {
		x, v.y = append(x, float64(s.Connections)), append(v.y, float64(s.RSS)/(1<<20))
		marks = append(marks, mark{float64(s.Connections), number3(float64(s.Connections))})
	}
	return newChart("Memory of the servers by connections, MB", x, marks, false, []values{v})
}

func number5(v float64) string { return fmt.Sprintf("%.5g", v) }
