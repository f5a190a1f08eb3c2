package console

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"nrd"
	"nrd/collector/access"
	"nrd/collector/store"
)

// hitsOnPage is how many hit alarms a page shows.
const hitsOnPage = 200

// hitHours are how far back the page looks, in hours.
var hitHours = []int{1, 8, 24, 24 * 7}

// hitsPage is the form as it was filled in, and the hit alarms that were found.
type hitsPage struct {
	List, Reason string
	Hours        int
	Spans        []int
	// All shows those too about which officers said what became of them.
	All bool
	// Searched says that Rows are an answer; More that there are others.
	Searched, More bool
	Rows           []hitRow
	// MayAcknowledge offers to; Done says what was done just now.
	MayAcknowledge bool
	Done           string
}

// hitRow is a hit alarm with what officers did about it last; For is the line of
// the access log that a link to its record cites.
type hitRow struct {
	store.HitAlarm
	Outcome string
	For     uint64
}

func (c *Console) hitsForm(w http.ResponseWriter, r *http.Request, who visitor) {
	if !who.May(access.Search) {
		c.fail(w, r, &who, access.ErrDenied)
		return
	}
	c.showHits(w, http.StatusOK, who, "", hitsPage{List: r.URL.Query().Get("list"), Hours: 24})
}

func (c *Console) showHits(w http.ResponseWriter, status int, who visitor, problem string, data hitsPage) {
	data.Spans = hitHours
	c.show(w, status, "hits.html", page{Title: "Hits", Here: "/hits", Who: &who, Problem: problem, Data: data})
}

// hits shows the hit alarms that nobody has dealt with: first those that nobody has
// acknowledged, the highest priority first and of each the newest. It tells marks, so it
// is for a reason, like a search.
func (c *Console) hits(w http.ResponseWriter, r *http.Request, who visitor) {
	c.findHits(w, r, who, "")
}

// acknowledgeHit notes that the visitor has seen one, and shows the others as before.
func (c *Console) acknowledgeHit(w http.ResponseWriter, r *http.Request, who visitor) {
	key, err := keyOf(r.PostFormValue("device"), r.PostFormValue("epoch"), r.PostFormValue("sequence"))
	var a store.HitAlarm
	if err == nil {
		a, err = c.Lists.Acknowledge(r.Context(), who.by(), store.HitKey{
			Record: key, List: r.PostFormValue("of"), VRM: nrd.VRM(r.PostFormValue("entry")), Reference: r.PostFormValue("reference"),
		}, r.PostFormValue("note"))
	}
	if err != nil {
		c.fail(w, r, &who, err)
		return
	}
	done := "The hit is acknowledged."
	if a.Acknowledged.By != who.Name {
		done = "It was acknowledged before, by " + a.Acknowledged.By + "."
	}
	c.findHits(w, r, who, done)
}

func (c *Console) findHits(w http.ResponseWriter, r *http.Request, who visitor, done string) {
	form := hitsPage{List: r.PostFormValue("list"), Reason: r.PostFormValue("reason"), All: r.PostFormValue("all") != "", MayAcknowledge: who.May(access.Acknowledge), Done: done}
	var err error
	if form.Hours, err = strconv.Atoi(r.PostFormValue("hours")); err != nil || !slices.Contains(hitHours, form.Hours) {
		form.Hours = 24
	}
	from := c.Clock.Now().Add(-time.Duration(form.Hours) * time.Hour)
	line, alarms, err := c.Lists.HitAlarms(r.Context(), who.by(), store.HitQuery{List: form.List, From: from, Urgent: true, Limit: store.MaxLimit}, form.Reason)
	if err != nil {
		status, sentence := c.sentence(r, err)
		c.showHits(w, status, who, sentence, form)
		return
	}
	form.Searched, form.More = true, len(alarms) == store.MaxLimit
	slices.SortStableFunc(alarms, moreUrgent)
	for _, a := range alarms {
		row := hitRow{HitAlarm: a, For: line.Sequence}
		done, err := c.dealtWith(r, &row)
		if err != nil {
			c.fail(w, r, &who, err)
			return
		}
		if done && !form.All {
			continue
		}
		if len(form.Rows) == hitsOnPage {
			form.More = true
			break
		}
		form.Rows = append(form.Rows, row)
	}
	c.showHits(w, http.StatusOK, who, "", form)
}

// moreUrgent puts what nobody has acknowledged before what somebody has, and the higher
// priority first.
func moreUrgent(a, b store.HitAlarm) int {
	seen := func(a *store.HitAlarm) int { return min(len(a.Acknowledged.By), 1) }
	return cmp.Or(seen(&a)-seen(&b), int(b.Hit.Entry.Priority)-int(a.Hit.Entry.Priority))
}

// dealtWith says whether an officer said what became of a hit, or the unit took it
// back, and notes what was done about its record last.
func (c *Console) dealtWith(r *http.Request, row *hitRow) (bool, error) {
	events, err := c.Store.OfficersOf(r.Context(), row.Record)
	if err != nil || len(events) == 0 {
		return false, err
	}
	row.Outcome = outcomeOf(&events[len(events)-1].OfficerEvent)
	return shown(events, &row.HitAlarm) && slices.ContainsFunc(events, func(e store.OfficerEvent) bool { return settles(&e.OfficerEvent, &row.Hit.Entry) }), nil
}

// shown says whether a hit was on the unit's screen: it was the unit's own, or a live
// gateway told the unit. Of a covert entry, and of what central alone has found, nobody
// in the vehicle knew.
func shown(events []store.OfficerEvent, a *store.HitAlarm) bool {
	switch {
	case a.Covert:
		return false
	case a.By == store.FoundByUnit:
		return true
	}
	return slices.ContainsFunc(events, func(e store.OfficerEvent) bool {
		return e.Action == nrd.OfficersAlerted && tells(e.Told, &a.Hit.Entry)
	})
}

// settles says whether an event at a unit's screen is the end of a hit that is shown
// there.
func settles(e *nrd.OfficerEvent, entry *nrd.Entry) bool {
	switch e.Action {
	case nrd.OfficerActed:
		return slices.Contains(e.Lists, entry.List)
	case nrd.OfficersWithdrawn:
		return takesBack(e, entry)
	}
	return false
}

// takesBack says whether a unit took an entry back: others of its list may still
// stand. A unit that does not say which entries went took all of the list.
func takesBack(e *nrd.OfficerEvent, entry *nrd.Entry) bool {
	if len(e.Told) == 0 {
		return slices.Contains(e.Lists, entry.List)
	}
	return tells(e.Told, entry)
}

// tells says whether an entry is among hits.
func tells(hits []nrd.Hit, entry *nrd.Entry) bool {
	return slices.ContainsFunc(hits, func(h nrd.Hit) bool {
		return cmp.Or(h.Entry.List, h.List.List) == entry.List && h.Entry.VRM == entry.VRM && h.Entry.Reference == entry.Reference
	})
}

// hoursInWords says how far back the page looks.
func hoursInWords(hours int) string {
	switch {
	case hours == 1:
		return "the last hour"
	case hours > 24:
		return fmt.Sprintf("the last %d days", hours/24)
	}
	return fmt.Sprintf("the last %d hours", hours)
}

// finders say who saw a hit first.
var finders = map[store.Finder]string{
	store.FoundByUnit: "the unit", store.FoundByGateway: "a live gateway", store.FoundByCentral: "central", store.FoundInRetrospect: "central, in stored records",
}
