package evaluate

import (
	"fmt"
	"slices"
	"strings"
)

// The charts are drawn by the page's template; here is where things go in them.

// bar is a share as a bar of barWidth with its interval as a whisker.
type bar struct{ Width, Low, High, Of float64 }

const barWidth = 120

func newBar(s Share) bar {
	low, high := s.Interval()
	return bar{Width: barWidth * s.Percent() / 100, Low: barWidth * low / 100, High: barWidth * high / 100, Of: barWidth}
}

// diagram is the reliability diagram: share right over confidence, with a bar for
// how many reads there are of each.
type diagram struct {
	// Side is that of the square, Left and Top its corner.
	Side, Left, Top float64
	Ticks           []tick
	Dots            []dot
	// Line joins the dots.
	Line string
}

type tick struct {
	At, Up float64
	Label  string
}

type dot struct {
	X, Y, Low, High float64
	// BarX, BarWidth, BarHeight are the bar below, Label tells it in words.
	BarX, BarWidth, BarHeight float64
	Count                     int
	Label                     string
}

// barSpace is the height for the bars below the square.
const barSpace = 56

func newDiagram(r Calibration) diagram {
	d := diagram{Side: 280, Left: 46, Top: 12}
	x := func(v float64) float64 { return d.Left + d.Side*v/100 }
	y := func(v float64) float64 { return d.Top + d.Side*(1-v/100) }
	for v := 0; v <= 100; v += 20 {
		d.Ticks = append(d.Ticks, tick{At: x(float64(v)), Up: y(float64(v)), Label: fmt.Sprint(v)})
	}
	most := 1
	for _, b := range r.Bins {
		most = max(most, b.Right.Of)
	}
	var line []string
	for _, b := range r.Bins {
		low, high := b.Right.Interval()
		d.Dots = append(d.Dots, dot{
			X: x(b.Confidence), Y: y(b.Right.Percent()), Low: y(low), High: y(high),
			BarX: x(float64(b.From)) + 1, BarWidth: d.Side*float64(min(b.To+1, 100)-b.From)/100 - 2,
			BarHeight: max(1.5, (barSpace-18)*float64(b.Right.Of)/float64(most)), Count: b.Right.Of,
			Label: fmt.Sprintf("confidence %d to %d: %d reads, %.1f %% right", b.From, b.To, b.Right.Of, b.Right.Percent()),
		})
		line = append(line, fmt.Sprintf("%.1f,%.1f", x(b.Confidence), y(b.Right.Percent())))
	}
	d.Line = strings.Join(line, " ")
	return d
}

// Bottom is the lower edge of the square.
func (d diagram) Bottom() float64 { return d.Top + d.Side }

// Right is its right edge.
func (d diagram) Right() float64 { return d.Left + d.Side }

// Base is the lower edge of the bars below it.
func (d diagram) Base() float64 { return d.Bottom() + 34 + barSpace }

// BarTop is the upper edge of a bar below the square.
func (d diagram) BarTop(o dot) float64 { return d.Base() - o.BarHeight }

// Height is that of the whole drawing.
func (d diagram) Height() float64 { return d.Base() + 22 }

// Width is that of the whole drawing.
func (d diagram) Width() float64 { return d.Right() + 14 }

// matrix is the confusions as a square of cells, true characters downwards.
type matrix struct {
	Cell         float64
	Rows, Labels []label
	Cells        []cell
	Size         float64
}

type label struct {
	At   float64
	Text string
}

type cell struct {
	X, Y    float64
	Opacity float64
	Count   int
	Label   string
}

const cellSize = 15

// newMatrix draws the characters that take part in a confusion only.
func newMatrix(c Confusions) matrix {
	m := matrix{Cell: cellSize}
	truth := characters(c.Pairs, func(p Pair) string { return p.Truth })
	reads := characters(c.Pairs, func(p Pair) string { return p.Read })
	at := func(i int) float64 { return 30 + cellSize*float64(i) }
	for i, s := range truth {
		m.Rows = append(m.Rows, label{at(i), short(s)})
	}
	for i, s := range reads {
		m.Labels = append(m.Labels, label{at(i), short(s)})
	}
	most := 1
	for _, p := range c.Pairs {
		most = max(most, p.Count)
	}
	for _, p := range c.Pairs {
		what := fmt.Sprintf("%s read as %s: %d", p.Truth, p.Read, p.Count)
		switch {
		case p.Truth == "":
			what = fmt.Sprintf("%s invented: %d", p.Read, p.Count)
		case p.Read == "":
			what = fmt.Sprintf("%s left out: %d", p.Truth, p.Count)
		}
		m.Cells = append(m.Cells, cell{
			X: at(slices.Index(reads, p.Read)), Y: at(slices.Index(truth, p.Truth)),
			Opacity: 0.25 + 0.75*float64(p.Count)/float64(most), Count: p.Count, Label: what,
		})
	}
	m.Size = at(max(len(truth), len(reads))) + 4
	return m
}

// characters lists those of one side of the pairs, nothing ("") last.
func characters(pairs []Pair, side func(Pair) string) []string {
	var out []string
	for _, p := range pairs {
		if s := side(p); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	if len(out) > 0 && out[0] == "" {
		out = append(out[1:], "")
	}
	return out
}

func short(character string) string {
	if character == "" {
		return "∅"
	}
	return character
}
