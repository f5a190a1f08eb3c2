package console

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"nrd/collector/access"
	"nrd/collector/store"
)

// resultsOnPage is how many records a page of results has.
const resultsOnPage = 50

// formTime is how a browser's date and time field writes a moment, with and
// without seconds.
var formTimes = []string{"2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02T15:04:05.000"}

// searchPage is the form as it was filled in and what was found.
type searchPage struct {
	VRM, From, To, Camera, Device, Reason string
	HitsOnly                              bool
	Zone                                  string
	// Searched says that Results are an answer; Older is the To of the next
	// page, in RFC 3339, where there is one.
	Searched bool
	Results  []card
	Older    string
}

func (c *Console) searchForm(w http.ResponseWriter, r *http.Request, who visitor) {
	if !who.May(access.Search) {
		c.fail(w, r, &who, access.ErrDenied)
		return
	}
	now := c.Clock.Now().In(c.Zone)
	c.showSearch(w, http.StatusOK, who, "", searchPage{
		From: now.AddDate(0, 0, -1).Format(formTimes[0]), To: now.Add(time.Minute).Format(formTimes[0]),
	})
}

func (c *Console) showSearch(w http.ResponseWriter, status int, who visitor, problem string, data searchPage) {
	data.Zone = c.Zone.String()
	c.show(w, status, "search.html", page{Title: "Search", Here: "/search", Who: &who, Problem: problem, Data: data})
}

// search is a POST: it leaves a line in the access log, and what was searched
// for stays out of the browser's history.
func (c *Console) search(w http.ResponseWriter, r *http.Request, who visitor) {
	form := searchPage{
		VRM: r.PostFormValue("vrm"), From: r.PostFormValue("from"), To: r.PostFormValue("to"),
		Camera: strings.TrimSpace(r.PostFormValue("camera")), Device: strings.TrimSpace(r.PostFormValue("device")),
		Reason: r.PostFormValue("reason"), HitsOnly: r.PostFormValue("hits") != "",
	}
	line, records, err := c.find(r, who, form)
	if err != nil {
		status, sentence := c.sentence(r, err)
		c.showSearch(w, status, who, sentence, form)
		return
	}
	form.Searched = true
	if len(records) > resultsOnPage {
		// To is exclusive: the page that follows begins with the record that
		// did not fit on this one.
		form.Older = records[resultsOnPage].Time().Add(1).Format(time.RFC3339Nano)
		records = records[:resultsOnPage]
	}
	for i := range records {
		result := card{StoredRecord: &records[i], For: line.Sequence}
		if result.IsHit() {
			if result.Outcome, err = c.outcome(r.Context(), result.Key); err != nil {
				c.fail(w, r, &who, err)
				return
			}
		}
		form.Results = append(form.Results, result)
	}
	c.showSearch(w, http.StatusOK, who, "", form)
}

func (c *Console) find(r *http.Request, who visitor, form searchPage) (store.Access, []store.StoredRecord, error) {
	from, fromErr := c.parseTime("from", form.From)
	to, toErr := c.parseTime("to", form.To)
	if older := r.PostFormValue("older"); older != "" {
		var err error
		if to, err = time.Parse(time.RFC3339Nano, older); err != nil {
			toErr = fmt.Errorf("%w: older: %w", store.ErrQuery, err)
		}
	}
	if err := errors.Join(fromErr, toErr); err != nil {
		return store.Access{}, nil, err
	}
	return c.Access.Search(r.Context(), who.by(), form.Reason, store.Query{
		Pattern: form.VRM, From: from, To: to, Camera: form.Camera, Device: form.Device, HitsOnly: form.HitsOnly,
		Limit: resultsOnPage + 1,
	})
}

// parseTime reads a form's date and time in the site's time zone.
func (c *Console) parseTime(field, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range formTimes {
		if t, err := time.ParseInLocation(layout, text, c.Zone); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%w: %s is not a date and time such as 2026-11-23T14:30", store.ErrQuery, field)
}
