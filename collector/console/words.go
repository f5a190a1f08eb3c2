package console

import (
	"cmp"
	"fmt"
	"html/template"
	"strings"
	"time"
	"unicode"

	"nrd"
	"nrd/collector/access"
	"nrd/collector/store"
)

// menuEntry is a page that a right opens.
type menuEntry struct {
	Path, Title string
	Right       access.Right
}

var menu = []menuEntry{
	{"/live", "Live", access.ViewLive},
	{"/hits", "Hits", access.Search},
	{"/search", "Search", access.Search},
	{"/lists", "Lists", access.ViewLists},
	{"/health", "Health", access.ViewDevices},
	{"/devices", "Devices", access.ViewDevices},
	{"/quarantine", "Quarantine", access.ViewQuarantine},
	{"/log", "Access log", access.Audit},
}

// priorityMark shows a priority by colour, by word and by a symbol of its own
// shape, so that none of the three is needed to tell it.
type priorityMark struct{ Word, Symbol, Class string }

var priorityMarks = map[nrd.Priority]priorityMark{
	nrd.PriorityHigh:   {"High", "▲", "high"},
	nrd.PriorityMedium: {"Medium", "◆", "medium"},
	nrd.PriorityLow:    {"Low", "●", "low"},
	nrd.PriorityNone:   {"Intelligence", "■", "none"},
}

// freshnessWords says what a list's age means to whoever acts on the hit.
var freshnessWords = map[nrd.Freshness]string{
	nrd.Fresh: "list up to date",
	nrd.Amber: "list is late",
	nrd.Stale: "stale list: verify before stop",
}

// timeSources says what a corrected time is known by.
var timeSources = map[nrd.ClockSource]string{
	nrd.ClockGPS: "the unit’s GPS receiver", nrd.ClockNTP: "the unit’s NTP", nrd.ClockCentral: "central’s own clock, to within seconds", nrd.ClockPerson: "a person",
}

// words are the functions that the templates speak with.
func (c *Console) words() template.FuncMap {
	return template.FuncMap{
		"menu":     func() []menuEntry { return menu },
		"clock":    func(t time.Time) string { return c.in(t, "15:04:05") },
		"day":      func(t time.Time) string { return c.in(t, "Mon 2 Jan 2006") },
		"shortDay": func(t time.Time) string { return c.in(t, "2 Jan") },
		"date":     func(t time.Time) string { return c.in(t, "2 Jan 2006") },
		"calendar": func(t time.Time) string {
			if t.IsZero() {
				return ""
			}
			return t.UTC().Format(time.DateOnly)
		},
		"sentence":   sentenceCase,
		"priorities": func() []string { return []string{"high", "medium", "low", "none"} },
		"full":       func(t time.Time) string { return c.in(t, "2006-01-02 15:04:05.000 -07:00") },
		"moment":     func(t time.Time) string { return c.in(t, "2006-01-02 15:04:05 -07:00") },
		"utc":        func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000000000") },
		"iso":        func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
		"ago":        func(t time.Time) string { return inWords(c.Clock.Now().Sub(t)) + " ago" },
		"span":       inWords,
		"timeSource": func(s nrd.ClockSource) string { return cmp.Or(timeSources[s], string(s)) },
		"age":        func(v nrd.ListVersion) time.Duration { return v.Age(c.Clock.Now()) },
		"freshness":  c.Profile.Freshness,
		"ended":      func(a store.Agency) bool { return a.Ended(c.Clock.Now()) },
		"fresh":      func(f nrd.Freshness) string { return freshnessWords[f] },
		"plate":      func(v nrd.VRM) plateView { return plateView{Marks: grouped(v)} },
		"plateOf": func(r nrd.Record) plateView {
			if r.Unread() {
				return plateView{Marks: "NO READ", Unread: true}
			}
			return plateView{Marks: grouped(r.Read.VRM), Front: r.Direction == nrd.DirectionTowards}
		},
		"priority": func(p nrd.Priority) priorityMark { return priorityMarks[p] },
		"top":      func(hits []nrd.Hit) priorityMark { return priorityMarks[topPriority(hits)] },
		"degrees":  func(t *float64) string { return fmt.Sprintf("%.0f °C", *t) },
		"bytes":    bytesInWords,
		"count":    count,
		"outcome":  outcomeOf,
		"record":   recordPath,
		"picture":  picturePath,
		"hours":    hoursInWords,
		"finder":   func(f store.Finder) string { return finders[f] },
		"live":     livePicture,
		"slot":     func(c card, kind nrd.ImageKind, has bool) slot { return slot{c, kind, has} },
		"patch":    func() nrd.ImageKind { return nrd.ImagePatch },
		"overview": func() nrd.ImageKind { return nrd.ImageOverview },
	}
}

func (c *Console) in(t time.Time, layout string) string {
	if t.IsZero() {
		return "–"
	}
	return t.In(c.Zone).Format(layout)
}

// plateView is a mark as a plate shows it: white in front, yellow behind.
type plateView struct {
	Marks string
	Front bool
	// Unread says that the plate could not be read.
	Unread bool
}

// slot is the place of one picture in a card.
type slot struct {
	Card card
	Kind nrd.ImageKind
	Has  bool
}

// topPriority is the highest priority among a record's hits.
func topPriority(hits []nrd.Hit) nrd.Priority {
	top := nrd.PriorityNone
	for _, h := range hits {
		top = max(top, h.Entry.Priority)
	}
	return top
}

// grouped puts the gap where a UK plate has it: after the age field of a current
// mark, else where letters and digits meet. It is for the eye only.
func grouped(v nrd.VRM) string {
	s := string(v)
	if len(s) == 7 && shape(s) == "LLDDLLL" {
		return s[:4] + " " + s[4:]
	}
	var edges []int
	for i := 1; i < len(s); i++ {
		if unicode.IsDigit(rune(s[i])) != unicode.IsDigit(rune(s[i-1])) {
			edges = append(edges, i)
		}
	}
	switch {
	case len(edges) == 1:
		return s[:edges[0]] + " " + s[edges[0]:]
	case len(edges) == 2 && edges[0] == 1: // A123 BCD
		return s[:edges[1]] + " " + s[edges[1]:]
	case len(edges) == 2 && edges[1] == len(s)-1: // ABC 123D
		return s[:edges[0]] + " " + s[edges[0]:]
	}
	return s
}

func shape(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return 'D'
		}
		return 'L'
	}, s)
}

// inWords says a duration to the precision a person needs.
func inWords(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	}
}

// count writes a whole number with a comma between thousands.
func count(n any) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func bytesInWords(n uint64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	default:
		return fmt.Sprintf("%d kB", n/1e3)
	}
}
