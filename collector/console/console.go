// Package console is central's web page: the records as they come, the search,
// the record with everything behind it, the devices and the access log.
//
// It is plain HTML from html/template with one style sheet and one small script,
// all embedded: nothing is fetched from elsewhere, and the Content-Security-
// Policy allows nothing else. New records arrive as server-sent events.
//
// What is shown goes through package access. Search, records and pictures are
// asked for through it with a reason and are logged line by line. The live view
// is a right of its own ("view records live"): its opening is one line of the
// log, and stands for the records and pictures that are live on it; a record
// that has left the live view, or that is opened from it, is logged like any
// other. Whoever opens a record from a search does so for that search's reason:
// the link cites the search's line of the log.
package console

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"nrd"
	"nrd/collector/access"
	"nrd/collector/fleet"
	"nrd/collector/lists"
	"nrd/collector/store"
)

//go:embed templates/*.html static/*
var files embed.FS

// securityPolicy lets the page use what central itself serves and nothing else.
const securityPolicy = "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// maxForm is the largest form that is read, in bytes.
const maxForm = 64 << 10

// Console is the page as an http.Handler, to be served over HTTPS only. Fill the
// fields and call Initialize; give it what ingest stores with Stored,
// ImageStored and OfficerStored; Close ends the live views.
type Console struct {
	Access  *access.Service
	Fleet   *fleet.Fleet
	Lists   *lists.Lists
	Store   store.Store
	Profile nrd.Profile
	// Zone is the time zone in which times are shown and typed.
	Zone  *time.Location
	Clock nrd.Clock
	Log   *slog.Logger

	pages   *template.Template
	handler http.Handler
	feed    feed
}

// Initialize fills the live view from the store and makes the handler ready.
func (c *Console) Initialize(ctx context.Context) error {
	if c.Access == nil || c.Fleet == nil || c.Lists == nil || c.Store == nil || c.Zone == nil || c.Clock == nil || c.Log == nil {
		return errors.New("console: Access, Fleet, Lists, Store, Zone, Clock and Log are needed")
	}
	var err error
	if c.pages, err = template.New("").Funcs(c.words()).ParseFS(files, "templates/*.html"); err != nil {
		return fmt.Errorf("console: %w", err)
	}
	if err := c.fillFeed(ctx); err != nil {
		return fmt.Errorf("console: %w", err)
	}
	crossOrigin := http.NewCrossOriginProtection()
	c.handler = c.headers(crossOrigin.Handler(c.routes()))
	return nil
}

// fillFeed starts the live view with what was received last.
func (c *Console) fillFeed(ctx context.Context) error {
	c.feed.watchers, c.feed.outcomes = map[chan event]struct{}{}, map[nrd.Key]string{}
	latest, err := c.Store.Latest(ctx, feedRecords)
	if err != nil {
		return err
	}
	now := c.Clock.Now()
	hits, err := c.Store.Search(ctx, store.Query{From: now.Add(-24 * time.Hour), To: now.Add(time.Hour), HitsOnly: true, Limit: feedHits})
	if err != nil {
		return err
	}
	for i := len(latest) - 1; i >= 0; i-- {
		c.feed.records = append(c.feed.records, latest[i])
	}
	for i := len(hits) - 1; i >= 0; i-- {
		c.feed.hits = append(c.feed.hits, hits[i])
		if c.feed.outcomes[hits[i].Key], err = c.outcome(ctx, hits[i].Key); err != nil {
			return err
		}
	}
	return nil
}

// Stored shows a record in the live views. It does not wait.
func (c *Console) Stored(r store.StoredRecord) { c.feed.stored(r) }

// Found shows a record for which central has found hits. It does not wait.
func (c *Console) Found(r store.StoredRecord) { c.feed.found(r) }

// ImageStored shows a picture that arrived after its record. It does not wait.
func (c *Console) ImageStored(key nrd.Key, kind nrd.ImageKind) { c.feed.image(key, kind) }

// OfficerStored shows what an officer did about a hit. It does not wait.
func (c *Console) OfficerStored(e nrd.OfficerEvent) {
	if e.Record != (nrd.Key{}) {
		c.feed.officer(e.Record, outcomeOf(&e))
	}
}

// Close ends the live views, so that the server can end.
func (c *Console) Close() { c.feed.close() }

// ServeHTTP answers a request.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.handler.ServeHTTP(w, r) }

func (c *Console) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /static/", http.FileServerFS(files))
	mux.HandleFunc("GET /sign-in", c.signInForm)
	mux.HandleFunc("POST /sign-in", c.signIn)
	mux.HandleFunc("POST /sign-out", c.signOut)

	mux.Handle("GET /{$}", c.signedIn(c.home))
	mux.Handle("GET /live", c.signedIn(c.live))
	mux.Handle("GET /live/events", c.signedIn(c.liveEvents))
	mux.Handle("GET /live/image/{device}/{epoch}/{sequence}/{kind}", c.signedIn(c.liveImage))
	mux.Handle("GET /search", c.signedIn(c.searchForm))
	mux.Handle("POST /search", c.signedIn(c.search))
	mux.Handle("GET /hits", c.signedIn(c.hitsForm))
	mux.Handle("POST /hits", c.signedIn(c.hits))
	mux.Handle("POST /hits/acknowledge", c.signedIn(c.acknowledgeHit))
	mux.Handle("GET /record/{device}/{epoch}/{sequence}", c.signedIn(c.record))
	mux.Handle("POST /record/{device}/{epoch}/{sequence}", c.signedIn(c.recordForReason))
	mux.Handle("GET /image/{device}/{epoch}/{sequence}/{kind}", c.signedIn(c.image))
	mux.Handle("GET /devices", c.signedIn(c.devices))
	mux.Handle("POST /devices/{device}/revoke", c.signedIn(c.revokeDevice))
	mux.Handle("POST /devices/{device}/wipe", c.signedIn(c.wipeDevice))
	mux.Handle("GET /health", c.signedIn(c.health))
	mux.Handle("GET /quarantine", c.signedIn(c.quarantine))
	mux.Handle("POST /quarantine", c.signedIn(c.release))
	c.listRoutes(mux)
	mux.Handle("GET /log", c.signedIn(c.accessLog))
	mux.Handle("/", c.signedIn(func(w http.ResponseWriter, r *http.Request, who visitor) {
		c.fail(w, r, &who, store.ErrNotFound)
	}))
	return mux
}

// headers sets what every answer carries and bounds what is read.
func (c *Console) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", securityPolicy)
		h.Set("Strict-Transport-Security", "max-age=31536000")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		// Nothing of a record may stay in a browser's cache.
		h.Set("Cache-Control", "no-store")
		most := int64(maxForm)
		if uploads.MatchString(r.URL.Path) {
			most = maxUpload
		}
		r.Body = http.MaxBytesReader(w, r.Body, most)
		next.ServeHTTP(w, r)
	})
}
