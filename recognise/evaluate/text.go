package evaluate

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Text writes the main figures as a table for a terminal.
func (r *Report) Text(w io.Writer) error {
	if looked := r.LookedAt(); looked != "" {
		if _, err := fmt.Fprintln(w, looked); err != nil {
			return err
		}
	}
	t := &table{w: tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)}
	t.row("captured\t%s\tof %d plates", r.Captured, r.Captured.Of)
	t.row("read right\t%s\tof %d captured", r.Right, r.Right.Of)
	if p := r.Photographs; p.Count > 0 {
		t.row("photographs\t%d\twith %d plates", p.Count, p.Plates)
		t.row("  surest read exact\t%s\tof %d with a plate", p.TopExact, p.TopExact.Of)
		t.row("  surest read right\t%s\tO taken for 0, I for 1", p.TopRight)
		t.row("  false reads\t%.3f a photograph\t%.3f with O taken for 0, I for 1", p.FalseReads.Each, p.FalseReadsFolded.Each)
		t.row("  without a plate, but a read\t%s\tof %d", p.WithoutPlateRead, p.WithoutPlateRead.Of)
		t.row("  processor time\t%.0f ms median\t%.0f mean, %.0f for the slowest twentieth", r.CPU.Median, r.CPU.Mean, r.CPU.P95)
	}
	if c := r.Clips; c.Count > 0 {
		t.row("clips\t%d\twith %d passages", c.Count, c.Plates)
		t.row("  captured\t%s\t", c.Captured)
		t.row("  read right\t%s\tof %d captured", c.Right, c.Right.Of)
		t.row("  extra passages\t%d\t", c.Extra.Count)
	}
	t.row("sure (90 and more) and right\t%s\tof %d reads; calibration error %.1f %%", r.Reliability.Sure, r.Reliability.Sure.Of, r.Reliability.Error)
	if c := r.Reliability.Characters; c.Sure.Of > 0 {
		t.row("sure characters and right\t%s\tof %d characters; calibration error %.1f %%", c.Sure, c.Sure.Of, c.Error)
	}
	for _, g := range r.Groups {
		if len(g.Rows) < 2 {
			continue
		}
		t.row("\t\t")
		t.row("by %s\tplates\tread right of all\tcaptured\tright of captured\tfalse a photograph", g.By)
		for _, row := range g.Rows {
			each := ""
			if row.FalseReads.Of > 0 {
				each = fmt.Sprintf("%.3f", row.FalseReads.Each)
			}
			t.row("  %s\t%d\t%s\t%s\t%s\t%s", row.Value, row.Plates, row.Read, row.Captured, row.Right, each)
		}
	}
	for _, f := range r.Missing {
		t.row("not found: %s\t\t", f)
	}
	for _, f := range r.Unreadable {
		t.row("cannot be read: %s\t\t", f)
	}
	if t.err != nil {
		return t.err
	}
	return t.w.Flush()
}

// table keeps the first error of writing.
type table struct {
	w   *tabwriter.Writer
	err error
}

func (t *table) row(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format+"\n", args...)
	}
}
