package agent

import (
	"fmt"
	"time"

	"nrd"
)

// Report is how the unit is, as `nrd-agent status` tells it.
type Report struct {
	Device   string    `json:"device"`
	Software string    `json:"software"`
	At       time.Time `json:"at"`
	Started  time.Time `json:"started"`
	// Connected says that central takes what is sent; Link says why not.
	Connected bool     `json:"connected"`
	Link      []string `json:"link,omitempty"`

	Waiting       Waiting           `json:"waiting"`
	OldestWaiting *time.Time        `json:"oldest_waiting,omitempty"`
	Dropped       map[string]uint64 `json:"dropped,omitempty"`
	DeadLetters   int               `json:"dead_letters"`
	BufferBytes   uint64            `json:"buffer_bytes"`
	DiskFree      uint64            `json:"disk_free"`
	Temperature   *float64          `json:"temperature,omitempty"`

	Clock    ClockReport  `json:"clock"`
	Position bool         `json:"position_known"`
	Lists    []ListReport `json:"lists"`

	Frames          uint64  `json:"frames"`
	DroppedFrames   uint64  `json:"dropped_frames"`
	Reads           uint64  `json:"reads"`
	Hits            uint64  `json:"hits"`
	FramesPerMinute float64 `json:"frames_per_minute"`
	ReadsPerMinute  float64 `json:"reads_per_minute"`

	Problems []string `json:"problems,omitempty"`
}

// Waiting counts what has no receipt yet.
type Waiting struct {
	Records int `json:"records"`
	Images  int `json:"images"`
	Events  int `json:"events"`
}

// ClockReport is what is known of the unit's clock. ErrorMS is how far it is
// ahead of UTC, 0 when unknown.
type ClockReport struct {
	Source  string  `json:"source"`
	Proved  bool    `json:"proved"`
	ErrorMS float64 `json:"error_ms"`
}

// ListReport is a list in force.
type ListReport struct {
	List       string  `json:"list"`
	Version    uint64  `json:"version"`
	Entries    int     `json:"entries"`
	AgeSeconds float64 `json:"age_s"`
	Freshness  string  `json:"freshness"`
}

// report is the status with what only the unit itself needs to know.
func (a *Agent) report() Report {
	s, waiting, link := a.status(), a.stats(), a.client.Problems()
	r := Report{
		Device: s.Device, Software: s.Software, At: s.At, Started: s.Started, Connected: a.met.Load() && len(link) == 0, Link: link,
		Waiting: Waiting{waiting.Records, waiting.Images, waiting.Events}, Dropped: s.Dropped, DeadLetters: s.DeadLetters,
		BufferBytes: s.BufferBytes, DiskFree: s.DiskFree, Temperature: s.Temperature,
		Clock:    ClockReport{string(s.Clock.Source), s.Clock.Proved, float64(s.Clock.ClockError) / float64(time.Millisecond)},
		Position: s.Fix.Known(), Lists: []ListReport{},
		Frames: s.Frames, DroppedFrames: s.DroppedFrames, Reads: s.Reads, Hits: s.Hits,
		FramesPerMinute: s.FramesPerMinute, ReadsPerMinute: s.ReadsPerMinute, Problems: s.Problems,
	}
	if !s.OldestWaiting.IsZero() {
		r.OldestWaiting = &s.OldestWaiting
	}
	for _, l := range s.Lists {
		r.Lists = append(r.Lists, ListReport{
			l.List, l.Version, l.Entries, l.Age(s.Clock.True()).Seconds(), string(a.Config.profile.ListFreshness(l, s.Clock)),
		})
	}
	return r
}

// Words are the report's lines for people: what, and how it is.
func (r Report) Words() [][2]string {
	link := "connected"
	if !r.Connected {
		link = "not connected"
	}
	lines := [][2]string{
		{"device", fmt.Sprintf("%s, %s, running for %s", r.Device, r.Software, r.At.Sub(r.Started).Round(time.Second))},
		{"central", link},
	}
	for _, why := range r.Link {
		lines = append(lines, [2]string{"", why})
	}
	waiting := fmt.Sprintf("%d records, %d pictures, %d events", r.Waiting.Records, r.Waiting.Images, r.Waiting.Events)
	if r.OldestWaiting != nil {
		waiting += fmt.Sprintf(", the oldest for %s", r.At.Sub(*r.OldestWaiting).Round(time.Second))
	}
	lines = append(lines, [2]string{"waiting", waiting},
		[2]string{"dropped", fmt.Sprintf("%d records, %d pictures; %d records refused; %d items damaged, %d set aside",
			r.Dropped["record"], r.Dropped["image"], r.Dropped["refused"], r.Dropped["damaged"], r.DeadLetters)},
		[2]string{"disk", fmt.Sprintf("%.1f GB free, the buffer takes %.1f MB", float64(r.DiskFree)/1e9, float64(r.BufferBytes)/1e6)})
	if r.Temperature != nil {
		lines = append(lines, [2]string{"temperature", fmt.Sprintf("%.0f °C", *r.Temperature)})
	}
	clock := fmt.Sprintf("proved by %s, %+.1f ms from UTC", r.Clock.Source, r.Clock.ErrorMS)
	if !r.Clock.Proved {
		clock = "unproved, set by " + r.Clock.Source
	}
	lines = append(lines, [2]string{"clock", clock},
		[2]string{"last minute", fmt.Sprintf("%.0f frames, %.0f reads", r.FramesPerMinute, r.ReadsPerMinute)},
		[2]string{"since start", fmt.Sprintf("%d frames, %d dropped; %d reads, %d hits", r.Frames, r.DroppedFrames, r.Reads, r.Hits)})
	for _, l := range r.Lists {
		lines = append(lines, [2]string{"list", fmt.Sprintf("%s version %d, %d entries, %s old: %s", l.List, l.Version, l.Entries, time.Duration(l.AgeSeconds*float64(time.Second)).Round(time.Minute), l.Freshness)})
	}
	for _, p := range r.Problems {
		lines = append(lines, [2]string{"problem", p})
	}
	return lines
}

// Well says that nothing is wrong that the unit knows of.
func (r Report) Well() bool {
	for _, l := range r.Lists {
		if l.Freshness != string(nrd.Fresh) {
			return false
		}
	}
	return r.Connected && len(r.Problems) == 0
}
