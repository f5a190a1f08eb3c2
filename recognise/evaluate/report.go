package evaluate

import (
	"fmt"
	"strings"
	"time"

	"nrd"
	"nrd/recognise"
)

// Format and Version say what the JSON of a [Report] is. A field is never reused
// with another meaning; a reader of version 1 may meet fields it does not know.
const (
	Format  = "nrd-evaluation"
	Version = 1
)

// Report is what was measured. It holds marks of vehicles: personal data.
//
// A plate is *captured* where a read was made of it: one that says the same, or
// lies where the plate is, or, where the truth has no box and for clips, one that
// is at most two characters off. A captured plate is *right* where the read says
// the same, O taken for 0 and I for 1, which are one glyph on a plate; *exact*
// without that.
type Report struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	// Made is when the measuring began, UTC; Software the program's version,
	// Engine the reader with its weights.
	Made     time.Time `json:"made"`
	Software string    `json:"software"`
	Engine   string    `json:"engine"`
	// Camera is the camera that was read for, "" for none, and Region the part
	// of the footage that was looked at: left, top, right and bottom edge in
	// shares of it, all 0 for all of it.
	Camera string           `json:"camera"`
	Region recognise.Region `json:"region"`
	// Truth are the truth files.
	Truth []File `json:"truth"`
	// Captured counts the plates of photographs and clips together, Right
	// those of the captured ones that were read right.
	Captured    Share       `json:"captured"`
	Right       Share       `json:"right"`
	Photographs Photographs `json:"photographs"`
	Clips       Clips       `json:"clips"`
	Groups      []Grouping  `json:"groups"`
	Confusions  Confusions  `json:"confusions"`
	Reliability Reliability `json:"reliability"`
	// CPU is the processor time of a photograph in milliseconds, one thread,
	// decoding left out; SmallCPU that of photographs up to 1280 px wide.
	CPU      Times `json:"cpu_ms"`
	SmallCPU Times `json:"cpu_ms_to_1280"`
	// Plates are all true plates, FalseReads all reads that are none.
	Plates     []Outcome   `json:"plates"`
	FalseReads []FalseRead `json:"false_reads"`
	// Missing are files that the truth names and nobody found: they are left
	// out of every figure. Unreadable ones count as showing nothing.
	Missing    []string `json:"missing"`
	Unreadable []string `json:"unreadable"`

	misses misses
}

// File is a truth file with the digest of its content.
type File struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

// Photographs are the figures of single photographs.
type Photographs struct {
	Count  int `json:"count"`
	Plates int `json:"plates"`
	// TopExact counts the photographs with a plate whose surest read is one
	// of its plates; TopRight the same with O taken for 0 and I for 1.
	TopExact Share `json:"top_exact"`
	TopRight Share `json:"top_right"`
	// PlatesExact and PlatesRight count the plates that any read says.
	PlatesExact Share `json:"plates_exact"`
	PlatesRight Share `json:"plates_right"`
	// FalseReads is how many reads are no plate's true text;
	// FalseReadsFolded the same with O taken for 0 and I for 1.
	FalseReads       Rate `json:"false_reads"`
	FalseReadsFolded Rate `json:"false_reads_folded"`
	// WithoutPlateRead counts the photographs without a plate that gave a
	// read all the same.
	WithoutPlateRead Share `json:"without_plate_read"`
}

// Rate is how many there were for each of so many.
type Rate struct {
	Count int     `json:"count"`
	Of    int     `json:"of"`
	Each  float64 `json:"each"`
}

func rate(count, of int) Rate {
	r := Rate{Count: count, Of: of}
	if of > 0 {
		r.Each = round(float64(count)/float64(of), 4)
	}
	return r
}

// Clips are the figures of clips, in which each true plate is one passage.
type Clips struct {
	Count    int   `json:"count"`
	Plates   int   `json:"plates"`
	Captured Share `json:"captured"`
	Right    Share `json:"right"`
	// Extra counts the passages beyond one for each true plate, doubles and
	// inventions, for each true plate.
	Extra Rate `json:"extra"`
}

// Outcome is what became of one true plate.
type Outcome struct {
	File  string  `json:"file"`
	Clip  bool    `json:"clip"`
	Plate nrd.VRM `json:"plate"`
	// Read is what was read of it, "" where nothing was, and Confidence how
	// sure, 0-100.
	Read       string `json:"read"`
	Confidence int    `json:"confidence"`
	Captured   bool   `json:"captured"`
	Right      bool   `json:"right"`
	Exact      bool   `json:"exact"`
	// Width of the plate in pixels by the truth's box, else by the read's;
	// 0 where neither is known.
	Width int `json:"width"`
	// Groups are the values by which it is grouped, by the grouping's name.
	Groups map[string]string `json:"groups"`
}

// FalseRead is a read that is no true plate of its photograph or clip.
type FalseRead struct {
	File       string `json:"file"`
	Clip       bool   `json:"clip"`
	Read       string `json:"read"`
	Confidence int    `json:"confidence"`
	Box        Box    `json:"box"`
}

// LookedAt says in words for which camera the footage was read and in which part
// of it, "" for no camera and all of it.
func (r *Report) LookedAt() string {
	said := ""
	if r.Camera != "" {
		said = "as camera " + r.Camera
	}
	if e := r.Region; e != (recognise.Region{}) {
		said = strings.TrimSpace(fmt.Sprintf("%s %.0f to %.0f %% of the width, %.0f to %.0f %% of the height", said, 100*e[0], 100*e[2], 100*e[1], 100*e[3]))
	}
	return said
}

// Times are milliseconds of processor time over so many photographs.
type Times struct {
	Count  int     `json:"count"`
	Median float64 `json:"median"`
	Mean   float64 `json:"mean"`
	P95    float64 `json:"p95"`
}
