package collector

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"nrd/collector/access"
	"nrd/collector/lists"
)

// apiPath is where programs speak with central, on the page's address. What is
// below it is kept as it is while the number stays; fields may be added.
const apiPath = "/api/1"

// api answers programs over HTTPS with JSON: what people do with lists on the page
// and by command (docs/lists.md). A program speaks for one person, whose name and
// password give it a token; that is a session like a browser's, with the same end,
// throttle, rights and lines in the access log. A token is never a cookie, so no
// page of another site can use one.
type api struct{ *deskServer }

// api is the way in for programs.
func (r *rooms) api() http.Handler {
	a := &api{&deskServer{rooms: r}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+apiPath+"/session", a.signIn)
	mux.HandleFunc("DELETE "+apiPath+"/session", a.signOut)
	a.listRoutes(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		a.answer(w, r, nil, fmt.Errorf("%w: %s %s", errNoRoute, r.Method, r.URL.Path))
	})
	return mux
}

var errNoRoute = errors.New("the API has no such address or method")

// call is a request of somebody who is signed in.
type call struct {
	*http.Request
	w  http.ResponseWriter
	by access.By
}

// handle answers who is signed in and has the right. Everything that is done or
// shown is judged once more, and logged, by the room that does it.
func (a *api) handle(right access.Right, do func(*call) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		by, err := a.admit(r, right)
		var value any
		if err == nil {
			value, err = do(&call{r, w, by})
		}
		a.answer(w, r, value, err)
	}
}

// admit finds who asks. Nothing of the body is read before that.
func (a *api) admit(r *http.Request, right access.Right) (access.By, error) {
	what := r.Method + " " + r.URL.Path
	account, err := a.access.Session(r.Context(), token(r))
	if errors.Is(err, access.ErrNoSession) {
		return access.By{}, errors.Join(err, a.access.Stranger(r.Context(), r.RemoteAddr, what))
	}
	if err != nil {
		return access.By{}, err
	}
	by := access.By{Account: account.Name, From: r.RemoteAddr}
	if !access.May(account.Role, right) {
		_, err = a.access.Authorise(r.Context(), access.Request{Account: by.Account, From: by.From, Right: right, Action: string(right), Subject: what})
	}
	return by, err
}

func token(r *http.Request) string {
	text, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return text
}

// Session is what a program that has signed in is told. The token is good until it
// was not used for IdleSeconds, or is AbsoluteSeconds old.
type Session struct {
	Token           string `json:"token"`
	Account         string `json:"account"`
	Role            string `json:"role"`
	IdleSeconds     int64  `json:"idle_s"`
	AbsoluteSeconds int64  `json:"absolute_s"`
}

func (a *api) signIn(w http.ResponseWriter, r *http.Request) {
	name, password, _ := r.BasicAuth() // without, it is the name and password of nobody
	token, account, err := a.access.SignIn(r.Context(), name, password, r.RemoteAddr)
	a.answer(w, r, Session{
		Token: token, Account: account.Name, Role: account.Role,
		IdleSeconds: int64(time.Duration(a.config.Session.Idle).Seconds()), AbsoluteSeconds: int64(time.Duration(a.config.Session.Absolute).Seconds()),
	}, err)
}

func (a *api) signOut(w http.ResponseWriter, r *http.Request) {
	a.answer(w, r, nothing{}, a.access.SignOut(r.Context(), token(r)))
}

// csv is an answer that is no JSON.
type csv string

// answer sends a value, or what went wrong in words for whoever runs the program.
func (a *api) answer(w http.ResponseWriter, r *http.Request, value any, err error) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Strict-Transport-Security", "max-age=31536000")
	if err != nil {
		status := statusOf(err)
		said := complain(err)
		switch status {
		case http.StatusUnauthorized:
			h.Set("WWW-Authenticate", `Bearer realm="central"`)
		case http.StatusInternalServerError:
			a.log.Error("API", "path", r.URL.Path, "error", err)
			said.Error = "something went wrong at central; its log says more"
		}
		a.reply(w, status, said)
		return
	}
	text, ok := value.(csv)
	if !ok {
		a.reply(w, http.StatusOK, value)
		return
	}
	h.Set("Content-Type", "text/csv; charset=utf-8")
	if _, err := w.Write([]byte(text)); err != nil {
		a.log.Debug("API", "error", err)
	}
}

// statusOf is the HTTP status of an error.
func statusOf(err error) int {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, access.ErrNoSession), errors.Is(err, access.ErrSignIn):
		return http.StatusUnauthorized
	case errors.Is(err, access.ErrThrottled):
		return http.StatusTooManyRequests
	case errors.Is(err, access.ErrDenied):
		return http.StatusForbidden
	case errors.Is(err, access.ErrNotLogged):
		return http.StatusServiceUnavailable
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge
	}
	switch complain(err).Kind {
	case kindRefused, kindInvalid:
		return http.StatusUnprocessableEntity
	case kindNotFound:
		return http.StatusNotFound
	}
	return http.StatusInternalServerError
}

// into reads the body, a JSON object that has the fields needed.
func (c *call) into(v any, needed ...string) error {
	return decodeObject(http.MaxBytesReader(c.w, c.Body, maxCommand), v, needed...)
}

// reason reads a body that has a reason and nothing else.
func (c *call) reason() (string, error) {
	var q struct {
		Reason string `json:"reason"`
	}
	return q.Reason, c.into(&q, "reason")
}

// id is the number in the path.
func (c *call) id() (uint64, error) {
	id, err := strconv.ParseUint(c.PathValue("id"), 10, 64)
	if err != nil || id == 0 {
		return 0, fmt.Errorf("%w: %q is no number of one", lists.ErrInvalid, c.PathValue("id"))
	}
	return id, nil
}

// query gives the address's parameters, which may be these only.
func (c *call) query(known ...string) (url.Values, error) {
	q := c.URL.Query()
	for name := range q {
		found := false
		for _, k := range known {
			found = found || k == name
		}
		if !found {
			return nil, &fieldError{name, errNoField}
		}
	}
	return q, nil
}

// mostAsked reads how many are asked for; 0 where the address does not say.
func mostAsked(q url.Values) (int, error) {
	if q.Get("limit") == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(q.Get("limit"))
	if err != nil || n < 1 {
		return 0, &fieldError{"limit", errors.New("is no number above 0")}
	}
	return n, nil
}
