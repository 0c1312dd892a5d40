//go:build linux

package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// chart is a plot of lines, as report.html draws it.
type chart struct {
	Title  string
	Lines  []curve
	X, Y   []mark
	Width  int
	Height int
	Left   int
	Right  int
	Bottom int
}

// curve is one line of a chart.
type curve struct {
	Name   string
	Color  string
	Points string // as SVG wants them
	Legend int    // the height of its name
	Last   string // its last value
}

// mark is a value on an axis.
type mark struct {
	At    float64
	Label string
}

// values are what a line shows, one for each x; NaN where there is none.
type values struct {
	name string
	y    []float64
}

var colors = []string{"#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf", "#393b79", "#ad494a"}

const (
	chartWidth, chartHeight                      = 860, 260
	chartLeft, chartRight, chartTop, chartBottom = 70, 170, 12, 30
	plotWidth                                    = chartWidth - chartLeft - chartRight
	plotHeight                                   = chartHeight - chartTop - chartBottom
)

// newChart draws lines over x. With log the values go up by factors.
func newChart(title string, x []float64, xs []mark, log bool, lines []values) chart {
	c := chart{Title: title, Width: chartWidth, Height: chartHeight, Left: chartLeft, Right: chartLeft + plotWidth, Bottom: chartTop + plotHeight}
	low, high := bounds(lines, log)
	y := func(v float64) float64 {
		if log {
			v = math.Log10(math.Max(v, low)/low) / math.Log10(high/low)
		} else {
			v = (v - low) / (high - low)
		}
		return round(chartTop + plotHeight*(1-v))
	}
	first, last := 0.0, 1.0
	if len(x) > 0 {
		first, last = x[0], math.Max(x[len(x)-1], x[0]+1e-9)
	}
	at := func(v float64) float64 { return round(chartLeft + plotWidth*(v-first)/(last-first)) }
	for _, m := range xs {
		c.X = append(c.X, mark{at(m.At), m.Label})
	}
	for _, v := range steps(low, high, log) {
		c.Y = append(c.Y, mark{y(v), number3(v)})
	}
	for i, l := range lines {
		var points []string
		k := curve{Name: l.name, Color: colors[i%len(colors)], Legend: chartTop + 12 + 16*i}
		for j, v := range l.y {
			if !math.IsNaN(v) {
				points = append(points, fmt.Sprintf("%v,%v", at(x[j]), y(v)))
				k.Last = number3(v)
			}
		}
		k.Points = strings.Join(points, " ")
		c.Lines = append(c.Lines, k)
		c.Height = max(c.Height, k.Legend+8)
	}
	return c
}

// bounds are those of the values, made round.
func bounds(lines []values, log bool) (low, high float64) {
	low, high = math.Inf(1), 0
	for _, l := range lines {
		for _, v := range l.y {
			if !math.IsNaN(v) && (!log || v > 0) {
				low, high = math.Min(low, v), math.Max(high, v)
			}
		}
	}
	if high == 0 {
		high = 1
	}
	if !log {
		return 0, high * 1.05
	}
	if math.IsInf(low, 1) {
		low = 0.1
	}
	low, high = math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high)))
	return low, math.Max(high, low*10)
}

// steps are the marks between two bounds.
func steps(low, high float64, log bool) (list []float64) {
	if log {
		for v := low; v <= high*1.001; v *= 10 {
			list = append(list, v)
		}
		return list
	}
	step := math.Pow(10, math.Floor(math.Log10(high)))
	for high/step < 4 {
		step /= 2
	}
	for v := 0.0; v <= high; v += step {
		list = append(list, v)
	}
	return list
}

func round(v float64) float64 { return math.Round(v*10) / 10 }

// number3 writes three digits of a number.
func number3(v float64) string {
	if v >= 1000 || v <= -1000 {
		return strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
