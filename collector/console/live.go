package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"nrd/collector/access"
	"nrd/collector/store"
)

// openLive is the live view's action in the access log, liveReason its reason:
// monitoring is the duty that the right is given for.
const (
	openLive   = "open live view"
	liveReason = "live monitoring"
)

// heartbeat is how often an event stream shows that it lives, and asks whether
// its visitor is still signed in. An open live view counts as use of the
// session, so that a control room's wall goes dark only at the session's end.
const heartbeat = 10 * time.Second

// livePage is the live view's own data. View is the line of the access log that
// stands for it, Sequence the feed's last event that is on it.
type livePage struct {
	View, Sequence uint64
	Records, Hits  []card
}

// card is a record in a list of records.
type card struct {
	*store.StoredRecord
	// View is the live view's line, For the line that a link cites.
	View, For uint64
	Pictures  bool
	// Outcome is what officers did about a hit last, in words.
	Outcome string
}

// ID names the card in the page.
func (c card) ID() string { return cardID(c.Key) }

func (c *Console) live(w http.ResponseWriter, r *http.Request, who visitor) {
	line, ok := c.authorise(w, r, who, access.Request{Right: access.ViewLive, Action: openLive, Reason: liveReason})
	if !ok {
		return
	}
	records, hits, sequence := c.feed.now()
	data := livePage{View: line.Sequence, Sequence: sequence}
	for i := range records {
		data.Records = append(data.Records, c.liveCard(&records[i], line.Sequence, who))
	}
	for i := range hits {
		if hit := c.liveCard(&hits[i], line.Sequence, who); hit.hasHits() {
			data.Hits = append(data.Hits, hit)
		}
	}
	c.show(w, http.StatusOK, "live.html", page{Title: "Live", Here: "/live", Who: &who, Data: data})
}

// hasHits says that there are hits that the visitor may know of.
func (c card) hasHits() bool { return len(c.AllHits()) > 0 }

// liveCard is a record as a visitor may see it.
func (c *Console) liveCard(r *store.StoredRecord, view uint64, who visitor) card {
	if !who.May(access.ViewLists) {
		open := *r
		open.HideCovert()
		r = &open
	}
	return card{StoredRecord: r, View: view, For: view, Pictures: who.May(access.ViewImages), Outcome: c.feed.outcome(r.Key)}
}

// view gives the live view that a request belongs to. The view's line must be
// this visitor's and of this session's time.
func (c *Console) view(r *http.Request, who visitor) (uint64, error) {
	number, err := strconv.ParseUint(r.FormValue("view"), 10, 64)
	if err != nil || !who.May(access.ViewLive) {
		return 0, access.ErrDenied
	}
	line, err := c.Access.Cited(r.Context(), who.Name, number)
	if err == nil && line.Action != openLive {
		err = access.ErrDenied
	}
	return number, err
}

// liveEvents streams the feed to one open live view.
func (c *Console) liveEvents(w http.ResponseWriter, r *http.Request, who visitor) {
	view, err := c.view(r, who)
	if err != nil {
		c.fail(w, r, &who, err)
		return
	}
	after := r.Header.Get("Last-Event-ID")
	if after == "" {
		after = r.FormValue("after")
	}
	last, err := strconv.ParseUint(after, 10, 64)
	if err != nil {
		c.fail(w, r, &who, fmt.Errorf("%w: after: %w", store.ErrQuery, err))
		return
	}
	missed, coming, whole := c.feed.watch(last)
	defer c.feed.leave(coming)
	w.Header().Set("Content-Type", "text/event-stream")
	out := stream{console: c, out: http.NewResponseController(w), w: w, view: view, who: who}
	if !whole {
		missed = nil
		out.send("event: reload\ndata:\n\n")
	}
	for _, e := range missed {
		out.event(e)
	}
	out.follow(r, coming)
}

// stream is one browser's event stream.
type stream struct {
	console *Console
	out     *http.ResponseController
	w       http.ResponseWriter
	view    uint64
	who     visitor
	err     error
}

// follow sends what comes until one side ends.
func (s *stream) follow(r *http.Request, coming <-chan event) {
	// The server's time-out for reading a request would end HTTP/1 streams.
	s.err = s.out.SetReadDeadline(time.Time{})
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	s.send(": here\n\n")
	for s.err == nil {
		select {
		case e, open := <-coming:
			if !open {
				return
			}
			s.event(e)
		case <-beat.C:
			account, err := s.console.Access.Session(r.Context(), s.who.token)
			if err != nil || !access.May(account.Role, access.ViewLive) {
				s.send("event: signed-out\ndata:\n\n")
				return
			}
			s.send(": here\n\n")
		case <-r.Context().Done():
			return
		}
	}
}

func (s *stream) event(e event) {
	var name string
	var data bytes.Buffer
	var err error
	switch {
	case e.Record != nil:
		name = "record"
		record := s.console.liveCard(e.Record, s.view, s.who)
		if e.Found {
			if !record.hasHits() {
				return
			}
			name = "found"
		}
		err = s.console.pages.ExecuteTemplate(&data, "card", record)
	case e.Outcome != "":
		name = "officer"
		err = json.NewEncoder(&data).Encode(map[string]string{"id": cardID(e.Key), "outcome": e.Outcome})
	default:
		name = "picture"
		err = json.NewEncoder(&data).Encode(map[string]string{
			"id": cardID(e.Key), "kind": string(e.Kind), "src": livePicture(e.Key, e.Kind, s.view),
		})
	}
	if err != nil {
		s.console.Log.Error("live view", "error", err)
		return
	}
	lines := bytes.ReplaceAll(bytes.TrimSpace(data.Bytes()), []byte("\n"), []byte("\ndata: "))
	s.send(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", e.Sequence, name, lines))
}

func (s *stream) send(text string) {
	if s.err != nil {
		return
	}
	// The stream has no end, so each piece has a deadline instead. It is real
	// time, because the kernel's sockets know no other.
	s.err = s.out.SetWriteDeadline(time.Now().Add(heartbeat))
	if s.err == nil {
		_, s.err = s.w.Write([]byte(text))
	}
	if s.err == nil {
		s.err = s.out.Flush()
	}
}

// liveImage gives a picture of a record that is in the live view. Its line in
// the access log is the live view's own.
func (c *Console) liveImage(w http.ResponseWriter, r *http.Request, who visitor) {
	_, err := c.view(r, who)
	if err == nil && !who.May(access.ViewImages) {
		err = access.ErrDenied
	}
	key, keyErr := pathKey(r)
	if err == nil && (keyErr != nil || !c.feed.shows(key)) {
		err = store.ErrNotFound
	}
	if err != nil {
		c.fail(w, r, &who, err)
		return
	}
	image, err := c.Store.Image(r.Context(), key, imageKind(r))
	c.sendImage(w, r, who, image, err)
}
