package console

import (
	"bytes"
	"errors"
	"net/http"

	"nrd/collector/access"
	"nrd/collector/lists"
	"nrd/collector/store"
)

// page is what every template gets: who looks, where, and the page's own data.
type page struct {
	Title string
	// Here is the path of the menu's entry that is open.
	Here string
	Who  *visitor
	// Problem is a sentence about what was asked for and not done.
	Problem string
	Data    any
}

// show renders a whole page. Nothing is sent before it is rendered, so that a
// page is shown whole or not at all.
func (c *Console) show(w http.ResponseWriter, status int, name string, p page) {
	var b bytes.Buffer
	if err := c.pages.ExecuteTemplate(&b, name, p); err != nil {
		c.Log.Error("page", "name", name, "error", err)
		http.Error(w, "The page could not be made.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if _, err := w.Write(b.Bytes()); err != nil {
		c.Log.Debug("page not sent", "name", name, "error", err)
	}
}

// fail shows what went wrong, in words for the person and with the right status.
func (c *Console) fail(w http.ResponseWriter, r *http.Request, who *visitor, err error) {
	status, sentence := c.sentence(r, err)
	c.show(w, status, "problem.html", page{Title: http.StatusText(status), Who: who, Problem: sentence})
}

// sentence puts an error in words for the person; only what package access and
// the store say on purpose is told, the rest is for the log.
func (c *Console) sentence(r *http.Request, err error) (status int, text string) {
	switch {
	case errors.Is(err, access.ErrReason):
		return http.StatusUnprocessableEntity, "Refused: " + err.Error() + ". Say what you need this for; the refusal is in the access log."
	case errors.Is(err, store.ErrQuery), errors.Is(err, access.ErrRelease), errors.Is(err, lists.ErrInvalid), errors.Is(err, lists.ErrOlder), errors.Is(err, store.ErrExists):
		return http.StatusUnprocessableEntity, sentenceCase(err.Error())
	case errors.Is(err, access.ErrDenied):
		return http.StatusForbidden, "Refused: " + err.Error() + "."
	case errors.Is(err, access.ErrNotLogged):
		return http.StatusServiceUnavailable, "The access log cannot be written, so nothing is shown. Tell the IT department."
	case errors.Is(err, access.ErrThrottled):
		return http.StatusTooManyRequests, sentenceCase(err.Error())
	case errors.Is(err, access.ErrSignIn):
		return http.StatusUnauthorized, "This name and password do not belong together."
	case errors.Is(err, store.ErrNotFound):
		return http.StatusNotFound, "There is no such thing here."
	default:
		c.Log.Error("request", "path", r.URL.Path, "error", err)
		return http.StatusInternalServerError, "Something went wrong at central. Tell the IT department; its log says more."
	}
}

func sentenceCase(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:] + "."
}
