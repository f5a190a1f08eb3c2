// Package gateway is a small live gateway, the reference for docs/live-lookup.md:
// it answers from list files. Tests and demonstrations use it; a force's own would
// ask the national systems.
package gateway

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"nrd"
	"nrd/hotlist/live"
)

// Gateway answers questions over HTTP. The server must verify the units'
// certificates; a device is answered under its own name only.
type Gateway struct {
	// Name is how it calls itself to officers.
	Name  string
	Clock nrd.Clock
	// Asked is told each question before it is answered, so that it can be kept:
	// who asked about which mark and why. It may be nil.
	Asked func(live.Query)

	mu    sync.RWMutex
	lists map[string]map[nrd.VRM][]nrd.Entry
}

// Put puts a list's entries in the place of those it had.
func (g *Gateway) Put(list string, entries []nrd.Entry) {
	by := map[nrd.VRM][]nrd.Entry{}
	for _, e := range entries {
		by[e.VRM] = append(by[e.VRM], e)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lists == nil {
		g.lists = map[string]map[nrd.VRM][]nrd.Entry{}
	}
	g.lists[list] = by
}

// ServeHTTP answers POST with a live.Query by a live.Answer.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "a question is posted", http.StatusMethodNotAllowed)
		return
	}
	var q live.Query
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<10)).Decode(&q); err != nil {
		http.Error(w, "this is no question", http.StatusBadRequest)
		return
	}
	vrm, err := nrd.ParseVRM(string(q.VRM))
	switch {
	case err != nil || vrm != q.VRM:
		http.Error(w, "this is no mark", http.StatusBadRequest)
		return
	case q.Purpose != live.PurposeRead && (q.Purpose != live.PurposeCheck || q.Officer == "" || q.Reason == ""):
		http.Error(w, "a check needs an officer and a reason", http.StatusUnprocessableEntity)
		return
	case r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || r.TLS.VerifiedChains[0][0].Subject.CommonName != q.Device:
		http.Error(w, "the certificate is not the device's", http.StatusForbidden)
		return
	}
	if g.Asked != nil {
		g.Asked(q)
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(g.answer(vrm)); err != nil {
		return // the unit is gone
	}
}

func (g *Gateway) answer(vrm nrd.VRM) live.Answer {
	a := live.Answer{Gateway: g.Name, At: g.Clock.Now(), Lists: []string{}, Entries: []live.Entry{}}
	g.mu.RLock()
	defer g.mu.RUnlock()
	for list, by := range g.lists {
		a.Lists = append(a.Lists, list)
		for _, e := range by[vrm] {
			if !e.Expired(a.At) {
				a.Entries = append(a.Entries, entryOf(list, &e))
			}
		}
	}
	return a
}

func entryOf(list string, e *nrd.Entry) live.Entry {
	l := live.Entry{
		List: list, VRM: e.VRM, Priority: e.Priority.String(), Action: e.Action, Markers: e.Markers, Reason: e.Reason, Information: e.Information,
		Instructions: e.Instructions, Make: e.Make, Model: e.Model, Colour: e.Colour, Force: e.Force, Reference: e.Reference,
	}
	if !e.Weed.IsZero() {
		l.Weed = e.Weed.Format(time.DateOnly)
	}
	return l
}
