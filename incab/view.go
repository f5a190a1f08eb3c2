package incab

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"nrd"
)

// view is what a tablet shows: everything for the observer and for a driver who
// stands.
type view struct {
	Role    role         `json:"role"`
	Moving  bool         `json:"moving"`
	Officer *officerView `json:"officer"`
	Status  []light      `json:"status"`
	Alerts  []alertView  `json:"alerts"`
}

// glance is what a driver who moves is shown: symbols, their colours and sounds.
// It is made of nothing but numbers, flags and the names of symbols, so that
// there is no place for a text in it.
type glance struct {
	Role   role     `json:"role"`
	Moving bool     `json:"moving"`
	Status []light  `json:"status"`
	Alerts []symbol `json:"alerts"`
}

// symbol is one alert without a word.
type symbol struct {
	Number   uint64 `json:"number"`
	Priority string `json:"priority"` // high, medium, low, none: the symbol's name
	Sound    string `json:"sound"`    // the same, or notice; "" for silence
	Sounds   int    `json:"sounds"`   // changes when it is to be sounded anew

	Near        bool `json:"near"`
	Verify      bool `json:"verify"`
	Provisional bool `json:"provisional"`
	Withdrawn   bool `json:"withdrawn"`
	Partly      bool `json:"partly"` // one of its entries, or its newest sighting, was withdrawn
	Markers     bool `json:"markers"`
	Seen        bool `json:"seen"` // acknowledged
	Over        bool `json:"over"`
}

type alertView struct {
	symbol
	VRM       string      `json:"vrm"`
	Vehicle   string      `json:"vehicle"`
	At        string      `json:"at"`
	Camera    string      `json:"camera"`
	Direction string      `json:"direction"`
	ReadAs    string      `json:"readAs"` // what the pixels gave, where a character was put right
	Times     int         `json:"times"`
	Entries   []entryView `json:"entries"`
	Why       string      `json:"why"`    // it was withdrawn
	Unseen    string      `json:"unseen"` // why its newest sighting was withdrawn
	SeenBy    string      `json:"seenBy"`
	OverBy    string      `json:"overBy"`
	Outcome   string      `json:"outcome"`
	OnDuty    string      `json:"onDuty"`
	Patch     bool        `json:"patch"`
	Overview  bool        `json:"overview"`
}

// entryView is one entry of a list that the mark stands in.
type entryView struct {
	Priority     string   `json:"priority"`
	Markers      []string `json:"markers"`
	Action       string   `json:"action"`
	Reason       string   `json:"reason"`
	Information  string   `json:"information"`
	Instructions string   `json:"instructions"`
	Vehicle      string   `json:"vehicle"`
	VRM          string   `json:"vrm"` // the entry's, where it is not the read's
	List         string   `json:"list"`
	Age          string   `json:"age"`
	Freshness    string   `json:"freshness"`
	Live         bool     `json:"live"` // a live gateway said so, not a list on the unit
	Force        string   `json:"force"`
	Gone         string   `json:"gone"` // why it was withdrawn
}

type officerView struct {
	Collar     string `json:"collar"`
	Authoriser string `json:"authoriser"`
	Reference  string `json:"reference"`
	Since      string `json:"since"`
	Confirm    bool   `json:"confirm"` // the sign-on is to be confirmed
}

// light is one part of the unit in the bar at the top.
type light struct {
	Part  string `json:"part"`
	State string `json:"state"` // good, late, bad
	Text  string `json:"text,omitempty"`
}

// freshFix is how old a speed may be that says that the vehicle stands.
const freshFix = 5 * time.Second

// moving reports whether the vehicle must be taken as moving: what is not known
// for certain counts as moving.
func (s *Screen) moving() bool {
	f := s.Fix()
	standing := f.SpeedKnown && f.Speed >= 0 && f.Speed <= s.StandingSpeed && f.Age <= freshFix
	return !standing
}

// looks says what a tablet may see now.
func (s *Screen) looks(t *tablet) any {
	moving := s.moving()
	s.mu.Lock()
	defer s.mu.Unlock()
	if moving && t.Role == driver {
		g := glance{Role: driver, Moving: true, Status: s.lights(), Alerts: []symbol{}}
		for i := range g.Status {
			g.Status[i].Text = ""
		}
		if t.Officer != nil {
			for _, a := range s.state.Alerts {
				g.Alerts = append(g.Alerts, s.symbol(a))
			}
		}
		return g
	}
	v := view{Role: t.Role, Moving: moving, Status: s.lights(), Alerts: []alertView{}}
	if o := t.Officer; o != nil {
		v.Officer = &officerView{o.Collar, o.Authoriser, o.Reference, o.Since.Local().Format("15:04"), s.unconfirmed(t) >= 0}
		for _, a := range s.state.Alerts {
			v.Alerts = append(v.Alerts, s.alertView(a))
		}
	}
	return v
}

func (s *Screen) symbol(a *alert) symbol {
	first := &a.Hits[0]
	y := symbol{
		Number: a.Number, Priority: first.Entry.Priority.String(), Sounds: a.Sounds,
		Near: first.Match == nrd.MatchNear, Verify: first.VerifyBeforeStop(), Withdrawn: a.Withdrawn != "", Partly: a.Unseen != "" || len(a.Gone) > 0 && a.Withdrawn == "",
		Provisional: a.Provisional || a.Before != nil && a.Sounds > a.Before.Sounds, Seen: a.Acknowledged != nil, Over: a.over(),
	}
	for i := range a.Hits {
		y.Markers = y.Markers || len(a.Hits[i].Entry.Markers) > 0
	}
	switch {
	case y.Seen || y.Over:
	case y.Withdrawn || a.Notice:
		y.Sound = "notice"
	default:
		y.Sound = sound(a.Hits)
	}
	return y
}

// sound is that of the most urgent hit on which officers may act; hits that must
// all be verified first only call for a look.
func sound(hits []nrd.Hit) string {
	for i := range hits {
		if !hits[i].VerifyBeforeStop() {
			return hits[i].Entry.Priority.String()
		}
	}
	return "notice"
}

// freshness is what the match said of its list; what nobody judged is not to be
// trusted.
func freshness(h *nrd.Hit) nrd.Freshness {
	if h.VerifyBeforeStop() {
		return nrd.Stale
	}
	return h.Freshness
}

func (s *Screen) alertView(a *alert) alertView {
	first := &a.Hits[0].Entry
	v := alertView{
		symbol: s.symbol(a), VRM: spaced(a.VRM), Vehicle: vehicle(first), At: seenAt(a.Seen, s.Clock.Now()), Camera: a.Camera, ReadAs: a.ReadAs,
		Times: a.Times, Why: a.Withdrawn, Unseen: a.Unseen, OnDuty: strings.Join(a.OnDuty, ", "), Entries: entryViews(a.VRM, a.Hits),
		Patch: s.Pictures && a.patch != nil, Overview: s.Pictures && a.overview != nil,
	}
	for _, g := range a.Gone {
		if slices.ContainsFunc(a.Hits, func(h nrd.Hit) bool { return h.SameEntry(&g.Hit) }) {
			continue // the alert is withdrawn with it
		}
		taken := entryViews(a.VRM, []nrd.Hit{g.Hit})[0]
		taken.Gone = g.Why
		v.Entries = append(v.Entries, taken)
	}
	if a.Direction != nrd.DirectionUnknown {
		v.Direction = string(a.Direction)
	}
	if a.Acknowledged != nil {
		v.SeenBy = a.Acknowledged.String()
	}
	if a.Disposed != nil {
		v.OverBy, v.Outcome = a.Disposed.String(), string(a.Disposition)
	}
	return v
}

func entryViews(read nrd.VRM, hits []nrd.Hit) []entryView {
	views := []entryView{}
	for i := range hits {
		h := &hits[i]
		e := &h.Entry
		v := entryView{
			Priority: e.Priority.String(), Markers: e.Markers, Action: e.Action, Reason: e.Reason, Information: e.Information,
			Instructions: e.Instructions, Vehicle: vehicle(e), List: cmp.Or(h.List.List, e.List), Age: age(h.ListAge),
			Freshness: string(freshness(h)), Live: h.Live, Force: e.Force,
		}
		if e.VRM != read {
			v.VRM = spaced(e.VRM)
		}
		views = append(views, v)
	}
	return views
}

// Make, model and colour are cut to what fits on one line of the page.
const (
	longestMake, longestModel, longestColour = 12, 14, 10
)

func vehicle(e *nrd.Entry) string {
	return strings.Join(strings.Fields(cut(e.Colour, longestColour)+" "+cut(e.Make, longestMake)+" "+cut(e.Model, longestModel)), " ")
}

func cut(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// seenAt is when a vehicle was seen, with the day where it is not today's: hits that
// nobody has dealt with wait for later shifts.
func seenAt(seen, now time.Time) string {
	seen, now = seen.Local(), now.Local()
	if seen.Format(time.DateOnly) != now.Format(time.DateOnly) {
		return seen.Format("2 Jan 2006, 15:04:05")
	}
	return seen.Format("15:04:05")
}

// spaced writes a current mark as on its plate.
func spaced(v nrd.VRM) string {
	if len(v) == 7 && v[2] >= '0' && v[2] <= '9' && v[3] >= '0' && v[3] <= '9' && v[4] > '9' {
		return string(v[:4] + " " + v[4:])
	}
	return string(v)
}

// age is how old a list is, as a person says it.
func age(d time.Duration) string {
	switch {
	case d < 0:
		return "dated in the future"
	case d < time.Hour:
		return fmt.Sprintf("%d min old", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h old", d/time.Hour)
	}
	return fmt.Sprintf("%d days old", d/(24*time.Hour))
}

// lights says how the unit's parts are. The lock is held.
func (s *Screen) lights() []light {
	st := &s.status
	plain := func(part string, good bool, yes, no string) light {
		if good {
			return light{part, "good", yes}
		}
		return light{part, "bad", no}
	}
	lights := []light{
		cameraLight(st.Cameras),
		plain("gps", st.GPS, "GPS", "No GPS"),
		plain("link", st.Link, "Link", "No link"),
		plain("clock", st.Clock, "Clock", "Clock unproved"),
		s.listLight(),
	}
	return append(lights, backlogLight(st))
}

// cameraLight is that of the worst camera: a car that sees to the front only is half
// blind.
func cameraLight(cameras []Camera) light {
	var blind []string
	for _, c := range cameras {
		if !c.Sees {
			blind = append(blind, c.Name)
		}
	}
	switch len(blind) {
	case len(cameras): // none is no better than none that sees
		return light{"camera", "bad", "No camera"}
	case 0:
		return light{"camera", "good", "Camera"}
	}
	return light{"camera", "bad", "No camera " + strings.Join(blind, ", ")}
}

func backlogLight(st *Status) light {
	text := fmt.Sprintf("Backlog %d", st.Waiting)
	switch {
	case st.Losing:
		return light{"backlog", "bad", text + ", reads are not kept"}
	case st.Waiting > 100:
		return light{"backlog", "late", text}
	}
	return light{"backlog", "good", text}
}

// listLight is that of the oldest list, and of those that are not in force.
func (s *Screen) listLight() light {
	switch {
	case len(s.status.Missing) > 0:
		return light{"lists", "bad", "Out of force: " + strings.Join(s.status.Missing, ", ")}
	case len(s.status.Lists) == 0:
		return light{"lists", "bad", "No lists"}
	}
	now := s.Clock.Stamp()
	worst := nrd.Fresh
	oldest := s.status.Lists[0].Age(now.True())
	for _, l := range s.status.Lists {
		worst = worse(worst, s.Profile.ListFreshness(l, now))
		oldest = max(oldest, l.Age(now.True()))
	}
	text := "Lists " + age(oldest)
	if s.status.Behind {
		worst, text = worse(worst, nrd.Amber), text+", updates fail"
	}
	return light{"lists", map[nrd.Freshness]string{nrd.Fresh: "good", nrd.Amber: "late", nrd.Stale: "bad"}[worst], text}
}

// worse gives the one of two that says less good of a list.
func worse(a, b nrd.Freshness) nrd.Freshness {
	order := []nrd.Freshness{nrd.Fresh, nrd.Amber, nrd.Stale}
	return order[max(slices.Index(order, a), slices.Index(order, b))]
}
