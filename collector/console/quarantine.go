package console

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"nrd"
	"nrd/collector/access"
	"nrd/collector/store"
)

// quarantinedOnPage is how many items are shown.
const quarantinedOnPage = 200

type quarantinePage struct {
	Items []store.Item
	Zone  string
	// Released is how many records the last release has freed.
	Released int
}

func (c *Console) quarantine(w http.ResponseWriter, r *http.Request, who visitor) {
	released, _ := strconv.Atoi(r.FormValue("released")) // anything else says nothing
	c.showQuarantine(w, r, who, http.StatusOK, "", released)
}

func (c *Console) showQuarantine(w http.ResponseWriter, r *http.Request, who visitor, status int, problem string, released int) {
	items, err := c.Access.Quarantine(r.Context(), who.by(), quarantinedOnPage)
	if err != nil {
		c.fail(w, r, &who, err)
		return
	}
	c.show(w, status, "quarantine.html", page{
		Title: "Quarantine", Here: "/quarantine", Who: &who, Problem: problem, Data: quarantinePage{items, c.Zone.String(), released},
	})
}

// release files a record under the time in the form.
func (c *Console) release(w http.ResponseWriter, r *http.Request, who visitor) {
	n, err := c.free(r, who)
	if err != nil {
		status, sentence := c.sentence(r, err)
		if status == http.StatusForbidden {
			c.fail(w, r, &who, err)
			return
		}
		c.showQuarantine(w, r, who, status, sentence, 0)
		return
	}
	http.Redirect(w, r, fmt.Sprintf("/quarantine?released=%d", n), http.StatusSeeOther)
}

func (c *Console) free(r *http.Request, who visitor) (int, error) {
	key, err := parseKey(r.PostFormValue("key"))
	if err != nil {
		return 0, err
	}
	at, err := c.parseTime("time", r.PostFormValue("time"))
	if err != nil {
		return 0, err
	}
	if at.IsZero() {
		return 0, fmt.Errorf("%w: the time is missing", store.ErrQuery)
	}
	return c.Access.Release(r.Context(), who.by(), access.Freed{Key: key, At: at, Reason: r.PostFormValue("reason"), Whole: r.PostFormValue("whole") != ""})
}

// parseKey reads a key as it is written in a page. The error is ErrNotFound.
func parseKey(text string) (nrd.Key, error) {
	parts := strings.Split(text, "/")
	if len(parts) != 3 {
		return nrd.Key{}, fmt.Errorf("%w: %q is no key", store.ErrNotFound, text)
	}
	return keyOf(parts[0], parts[1], parts[2])
}
