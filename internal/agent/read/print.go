package read

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"nrd"
	"nrd/recognise"
)

// printer writes what was read. After the first failure to write it writes no
// more; err says why.
type printer struct {
	json  *json.Encoder
	table *tabwriter.Writer
	err   error
}

func newPrinter(out io.Writer, asJSON bool) *printer {
	if asJSON {
		e := json.NewEncoder(out)
		e.SetEscapeHTML(false)
		return &printer{json: e}
	}
	p := &printer{table: tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)}
	p.row("FILE\tPLATE\tSURE\tSYNTAX\tSEEN\tREPAIRED")
	return p
}

func (p *printer) row(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.table, format+"\n", args...)
	}
}

func (p *printer) line(v any) {
	if p.err == nil {
		p.err = p.json.Encode(v)
	}
}

// flush writes what a table holds back to align its columns.
func (p *printer) flush() error {
	if p.err == nil && p.table != nil {
		p.err = p.table.Flush()
	}
	return p.err
}

// read is one read as JSON.
type read struct {
	Plate        nrd.VRM       `json:"plate"`
	Raw          string        `json:"raw"`
	Confidence   int           `json:"confidence"`
	Box          [4]int        `json:"box"`
	Syntax       string        `json:"syntax"`
	Repaired     bool          `json:"repaired"`
	Alternatives []alternative `json:"alternatives"`
}

// alternative is written as [plate, confidence].
type alternative struct {
	plate      nrd.VRM
	confidence int
}

// MarshalJSON writes the pair.
func (a alternative) MarshalJSON() ([]byte, error) { return json.Marshal([]any{a.plate, a.confidence}) }

func newRead(r *nrd.Read, quad nrd.Quad) read {
	b := quad.Bounds()
	out := read{
		Plate: r.VRM, Raw: r.Raw, Confidence: r.Confidence, Box: [4]int{b.X, b.Y, b.W, b.H},
		Syntax: r.Syntax, Repaired: r.Repaired, Alternatives: []alternative{},
	}
	for _, a := range r.Alternatives {
		out.Alternatives = append(out.Alternatives, alternative{a.VRM, a.Confidence})
	}
	return out
}

// repaired is the last cell of a row, for a read in which a character was put right: a
// person must see what the pixels gave.
func repaired(r *nrd.Read) string {
	if !r.Repaired {
		return ""
	}
	return "\tread as " + r.Raw
}

// photograph prints the reads of one photograph.
func (p *printer) photograph(path string, seen []recognise.Sighting, ms, cpu float64) {
	if p.json == nil {
		if len(seen) == 0 {
			p.row("%s\t-\t\t\t%.0f ms", path, ms)
		}
		for _, s := range seen {
			p.row("%s\t%s\t%d %%\t%s\t%.0f ms%s", path, s.Read.VRM, s.Read.Confidence, s.Read.Syntax, ms, repaired(&s.Read))
		}
		return
	}
	reads := []read{}
	for _, s := range seen {
		reads = append(reads, newRead(&s.Read, s.Plate.Quad))
	}
	p.line(struct {
		File  string  `json:"file"`
		Reads []read  `json:"reads"`
		MS    float64 `json:"ms"`
		CPU   float64 `json:"cpu_ms"`
	}{path, reads, tenth(ms), tenth(cpu)})
}

// passages prints the passages of a video that are over.
func (p *printer) passages(path string, records []*nrd.Record) {
	for _, r := range records {
		if p.json == nil {
			p.row("%s\t%s\t%d %%\t%s\tframes %d-%d%s", path, r.Read.VRM, r.Read.Confidence, r.Read.Syntax, r.Passage.FirstFrame, r.Passage.LastFrame, repaired(&r.Read))
			continue
		}
		p.line(struct {
			File string `json:"file"`
			read
			FirstFrame uint64        `json:"first_frame"`
			LastFrame  uint64        `json:"last_frame"`
			Frame      uint64        `json:"frame"`
			Direction  nrd.Direction `json:"direction"`
		}{path, newRead(&r.Read, r.Plate), r.Passage.FirstFrame, r.Passage.LastFrame, r.Passage.Frame, r.Direction})
	}
}

func tenth(f float64) float64 { return math.Round(f*10) / 10 }
