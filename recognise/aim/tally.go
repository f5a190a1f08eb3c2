package aim

import (
	"fmt"
	"math"
	"slices"
	"time"

	"nrd"
)

const (
	// countOver is the time of the counter, judgeOver that of the verdict.
	countOver = time.Minute
	judgeOver = 15 * time.Minute
	// enough is how many vehicles a verdict needs.
	enough = 20
	// goodFrames is how often a plate should be seen while its vehicle goes
	// by: several looks are fused into one read.
	goodFrames = 3
)

// Minute is what the last minute brought.
type Minute struct {
	// Seen counts the plates that went by or are in view, Read those that
	// could be read. Confidence is the mean of their best reads, 0 of none.
	Seen       int `json:"seen"`
	Read       int `json:"read"`
	Confidence int `json:"confidence"`
	// Frames is in how many frames a plate was seen, the median.
	Frames int `json:"frames"`
	// Widths counts them by their greatest width in pixels.
	Widths []Bin `json:"widths"`
}

// Bin is how many plates are of a width.
type Bin struct {
	Label string `json:"label"`
	Count int    `json:"count"`
	Level Level  `json:"level"`
}

// Verdict says whether the site can meet its figures.
type Verdict struct {
	Level Level  `json:"level"`
	Text  string `json:"text"`
	// Checks are what it rests on.
	Checks []Advice `json:"checks"`
}

// target is what the profile asks of the site, as shares from 0 to 1.
type target struct {
	capture, accuracy float64
	// unverified says that the figures were not seen in a primary source.
	unverified bool
}

// newTarget takes the profile's figures for a site or a vehicle.
func newTarget(p nrd.Profile, vehicle bool) target {
	t := target{capture: p.CaptureRateStatic, accuracy: p.ReadAccuracy}
	field := "capture_rate_static"
	if vehicle {
		t.capture, field = p.CaptureRateVehicle, "capture_rate_vehicle"
	}
	t.unverified = slices.Contains(p.Unverified, field) || slices.Contains(p.Unverified, "read_accuracy")
	return t
}

// over is a passing that ended.
type over struct {
	at time.Duration
	*passing
}

// tally keeps the passings of the last while.
type tally struct {
	target target
	over   []over
}

func (t *tally) add(passings []*passing, now time.Duration) {
	for _, p := range passings {
		if p.counts() {
			t.over = append(t.over, over{now, p})
		}
	}
	t.over = slices.DeleteFunc(t.over, func(o over) bool { return now-o.at > judgeOver })
}

// minute counts what ended in the last minute and what is in view.
func (t *tally) minute(under []*passing, now time.Duration) Minute {
	var all []*passing
	for _, o := range t.over {
		if now-o.at <= countOver {
			all = append(all, o.passing)
		}
	}
	for _, p := range under {
		if p.counts() {
			all = append(all, p)
		}
	}
	m := Minute{Seen: len(all), Widths: []Bin{
		{Label: "under 60", Level: LevelBad}, {Label: "60–79", Level: LevelFair}, {Label: "80–119", Level: LevelGood},
		{Label: "120–199", Level: LevelGood}, {Label: "200 and more", Level: LevelGood},
	}}
	sum := 0
	var frames []int
	for _, p := range all {
		if p.confidence > 0 {
			m.Read++
			sum += p.confidence
		}
		frames = append(frames, p.frames)
		m.Widths[bin(p.width)].Count++
	}
	if m.Read > 0 {
		m.Confidence = int(math.Round(float64(sum) / float64(m.Read)))
	}
	m.Frames = quantile(frames, 0.5)
	return m
}

func bin(px int) int {
	for i, to := range []int{leastWidth, goodWidth, 120, 200} {
		if px < to {
			return i
		}
	}
	return 4
}

// verdict judges by the passings that are over.
func (t *tally) verdict() Verdict {
	if len(t.over) < enough {
		return Verdict{LevelOpen, fmt.Sprintf("%d vehicles seen so far; a verdict needs %d.", len(t.over), enough), []Advice{}}
	}
	v := Verdict{Level: LevelGood, Checks: t.checks()}
	for _, c := range v.Checks {
		switch {
		case c.Level == LevelBad:
			v.Level = LevelBad
		case c.Level == LevelFair && v.Level == LevelGood:
			v.Level = LevelFair
		}
	}
	figures := fmt.Sprintf("%.0f %% captured and %.0f %% of those read right", 100*t.target.capture, 100*t.target.accuracy)
	if t.target.unverified {
		figures += " (widely quoted, not verified)"
	}
	switch v.Level {
	case LevelGood:
		v.Text = "As it is aimed, this site can meet its figures: " + figures + ". Prove it with nrd-agent evaluate."
	case LevelFair:
		v.Text = "This site may meet its figures, " + figures + ", but see below."
	default:
		v.Text = "As it is aimed, this site will not meet its figures: " + figures + ". See below."
	}
	return v
}

func (t *tally) checks() []Advice {
	var widths, sharps, frames []int
	read, sure := 0, 0.0
	for _, o := range t.over {
		widths, sharps, frames = append(widths, o.width), append(sharps, o.sharpness), append(frames, o.frames)
		if o.confidence > 0 {
			read++
			sure += float64(o.confidence)
		}
	}
	narrow, sharp, few := quantile(widths, 0.1), quantile(sharps, 0.5), quantile(frames, 0.1)
	mean := 0.0
	if read > 0 {
		mean = sure / float64(read)
	}
	n := len(t.over)
	return []Advice{
		{atLeast(narrow, goodWidth, leastWidth), fmt.Sprintf("Nine plates in ten are at least %d px wide; %d are needed.", narrow, goodWidth)},
		{atLeast(sharp, goodSharpness, leastSharpness), fmt.Sprintf("Half of the plates have a sharpness of %d or more; %d is needed.", sharp, goodSharpness)},
		{atLeast(few, goodFrames, 2), fmt.Sprintf("Nine vehicles in ten are seen in at least %d frames; %d are needed. Fewer: zoom out, or take more frames a second.", few, goodFrames)},
		{reached(read, n, t.target.capture), fmt.Sprintf("%d of %d plates that were seen could be read (%.0f %%).", read, n, 100*float64(read)/float64(n))},
		{atLeast(int(math.Round(mean)), int(math.Round(100*t.target.accuracy)), int(math.Round(100*t.target.accuracy))-10), fmt.Sprintf("Their reads have a confidence of %.0f %% on average.", mean)},
	}
}

// atLeast is good from one value, bad below another.
func atLeast(value, good, least int) Level {
	switch {
	case value >= good:
		return LevelGood
	case value >= least:
		return LevelFair
	default:
		return LevelBad
	}
}

// reached compares a count with a share to be met. What so few vehicles cannot
// tell is fair: the count may yet be that of a site that meets it.
func reached(count, of int, share float64) Level {
	have := float64(count) / float64(of)
	// Two standard deviations of a site that just meets it.
	chance := 2 * math.Sqrt(share*(1-share)/float64(of))
	switch {
	case have >= share:
		return LevelGood
	case have >= share-chance:
		return LevelFair
	default:
		return LevelBad
	}
}

// quantile gives the value below which a share of them lies, 0 of none.
func quantile(values []int, share float64) int {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}
