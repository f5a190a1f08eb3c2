package console

import (
	"net/http"
	"slices"
	"strconv"

	"nrd/collector/access"
	"nrd/collector/store"
)

// linesOnPage is how many lines of the access log a page has.
const linesOnPage = 100

type logPage struct {
	Lines []store.Access
	// First is the oldest line on the page, Older where the page before it
	// starts; 0 for none.
	First, Older uint64
	// Checked says that the chain was walked; Broken is what is wrong with it.
	Checked bool
	Broken  string
}

// accessLog shows the access log, newest first. Looking at it is a line of it,
// and that line's number says where the log ends.
func (c *Console) accessLog(w http.ResponseWriter, r *http.Request, who visitor) {
	line, ok := c.authorise(w, r, who, access.Request{Right: access.Audit, Action: "view access log", Subject: r.URL.RawQuery})
	if !ok {
		return
	}
	from := uint64(1)
	if line.Sequence > linesOnPage {
		from = line.Sequence - linesOnPage + 1
	}
	if n, err := strconv.ParseUint(r.FormValue("from"), 10, 64); err == nil && n > 0 && n <= line.Sequence {
		from = n
	}
	data := logPage{First: from}
	var err error
	if data.Lines, err = c.Store.AccessLog(r.Context(), from, linesOnPage); err != nil {
		c.fail(w, r, &who, err)
		return
	}
	slices.Reverse(data.Lines)
	if from > 1 {
		data.Older = max(1, from-min(from-1, linesOnPage))
	}
	if r.FormValue("check") != "" {
		data.Checked = true
		if err := c.Store.CheckAccessLog(r.Context()); err != nil {
			data.Broken = err.Error()
		}
	}
	c.show(w, http.StatusOK, "log.html", page{Title: "Access log", Here: "/log", Who: &who, Data: data})
}
