package incab

import (
	"bytes"
	"context"
	"crypto/tls"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"nrd"

	"nrd/internal/limit"
)

//go:embed static
var static embed.FS

//go:embed templates/*.html
var templateFiles embed.FS

var templates = template.Must(template.ParseFS(templateFiles, "templates/*.html"))

// mostConnections is how many connections the page may have. A tablet has a handful.
const mostConnections = 64

// serve answers until ctx ends.
func (s *Screen) serve(ctx context.Context) error {
	server := &http.Server{
		// A stream sets a limit of its own for each write. A check may wait for a live gateway.
		Handler: s.handler(ctx), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	listener := tls.NewListener(limit.Listener(server, s.Listener, mostConnections, limit.Anyone), &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.certificate(), nil }, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
	})
	ended := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		// Streams end with ctx; what an officer has just sent is finished.
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		err := server.Shutdown(ending)
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close()
		}
		ended <- err
	})
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		stop()
		return fmt.Errorf("the officer's screen cannot be served: %w", err)
	}
	return <-ended
}

func (s *Screen) handler(ctx context.Context) http.Handler {
	mux := http.NewServeMux()
	files, err := fs.Sub(static, "static")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(files)))
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /issuer.crt", s.issuerFile)
	guessing := make(chan struct{}, 1)
	mux.HandleFunc("POST /pair", func(w http.ResponseWriter, r *http.Request) { s.pair(w, r, guessing) })
	mux.Handle("GET /events", s.admitted(func(w http.ResponseWriter, r *http.Request, t *tablet) { s.stream(ctx, w, r, t) }))
	mux.Handle("GET /picture/{number}/{kind}", s.admitted(s.picture))
	mux.Handle("POST /sign-on", s.action(func(t *tablet, r *http.Request) (any, error) {
		return nil, s.signOn(t, nrd.Officer{Collar: r.PostFormValue("collar"), Authoriser: r.PostFormValue("authoriser"), Reference: r.PostFormValue("reference")})
	}))
	mux.Handle("POST /sign-off", s.action(func(t *tablet, _ *http.Request) (any, error) { return nil, s.signOff(t) }))
	mux.Handle("POST /still-on", s.action(func(t *tablet, _ *http.Request) (any, error) { return nil, s.stillOn(t) }))
	mux.Handle("POST /acknowledge", s.action(func(t *tablet, r *http.Request) (any, error) {
		return nil, s.acknowledge(t, number(r.PostFormValue("number")))
	}))
	mux.Handle("POST /disposition", s.action(func(t *tablet, r *http.Request) (any, error) {
		return nil, s.dispose(t, number(r.PostFormValue("number")), nrd.Disposition(r.PostFormValue("disposition")))
	}))
	mux.Handle("POST /check", s.action(func(t *tablet, r *http.Request) (any, error) {
		return s.check(r.Context(), t, r.PostFormValue("vrm"), r.PostFormValue("reason"))
	}))
	guarded := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		h.Set("Strict-Transport-Security", "max-age=31536000")
		guarded.ServeHTTP(w, r)
	})
}

// number reads an alert's number; 0, which no alert has, for anything else.
func number(text string) uint64 {
	n, _ := strconv.ParseUint(text, 10, 64)
	return n
}

// admitted lets paired tablets through.
func (s *Screen) admitted(next func(http.ResponseWriter, *http.Request, *tablet)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := s.tablet(r)
		if t == nil {
			http.Error(w, "This tablet is not paired with the unit.", http.StatusForbidden)
			return
		}
		next(w, r, t)
	})
}

// action does what an officer asks for by touch. A driver who moves asks for
// nothing.
func (s *Screen) action(do func(*tablet, *http.Request) (any, error)) http.Handler {
	return s.admitted(func(w http.ResponseWriter, r *http.Request, t *tablet) {
		r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
		if t.Role == driver && s.moving() {
			http.Error(w, "Not while the vehicle moves.", http.StatusForbidden)
			return
		}
		answer, err := do(t, r)
		var no refusal
		switch {
		case errors.As(err, &no):
			http.Error(w, no.sentence, no.status)
			return
		case err != nil:
			s.Log.Error("an officer's action failed", "path", r.URL.Path, "error", err)
			http.Error(w, "The unit could not do this.", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			s.Log.Debug("an answer could not be written", "error", err)
		}
	})
}

func (s *Screen) page(w http.ResponseWriter, r *http.Request) {
	if t := s.tablet(r); t != nil {
		s.render(w, "screen.html", http.StatusOK, map[string]any{"Role": t.Role, "Dispositions": nrd.Dispositions})
		return
	}
	s.askCode(w, refusal{http.StatusOK, ""})
}

// askCode gives the page for pairing, with what is to be said.
func (s *Screen) askCode(w http.ResponseWriter, say refusal) {
	s.render(w, "pair.html", say.status, map[string]any{"Problem": say.sentence, "Issuer": s.Certificate == nil})
}

func (s *Screen) render(w http.ResponseWriter, name string, status int, data any) {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		s.Log.Error("a page could not be made", "name", name, "error", err)
		http.Error(w, "The page could not be made.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if _, err := w.Write(b.Bytes()); err != nil {
		s.Log.Debug("a page could not be written", "error", err)
	}
}

// thought is how long a wrong code is thought about, one at a time.
const thought = time.Second

func (s *Screen) pair(w http.ResponseWriter, r *http.Request, guessing chan struct{}) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<10)
	if err := r.ParseForm(); err != nil { // before its turn, which somebody slow would keep from others
		s.askCode(w, refusal{http.StatusBadRequest, "The code did not come whole. Try again."})
		return
	}
	select {
	case guessing <- struct{}{}:
		defer func() { <-guessing }()
	default:
		s.askCode(w, refusal{http.StatusTooManyRequests, "Another code is being tried. Try again in a moment."})
		return
	}
	session, err := s.enter(r.PostForm.Get("code"))
	var no refusal
	if errors.As(err, &no) {
		pause := time.NewTimer(thought)
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-r.Context().Done():
		}
		s.askCode(w, no)
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookie, Value: session, Path: "/", MaxAge: int((90 * 24 * time.Hour).Seconds()), HttpOnly: true, Secure: true, SameSite: http.SameSiteStrictMode,
	})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// picture gives one of an alert's two, while its tablet may see it.
func (s *Screen) picture(w http.ResponseWriter, r *http.Request, t *tablet) {
	moving := s.moving()
	s.mu.Lock()
	var jpeg []byte
	if a := s.find(number(r.PathValue("number"))); a != nil && s.Pictures && t.Officer != nil && (t.Role == observer || !moving) {
		switch nrd.ImageKind(r.PathValue("kind")) {
		case nrd.ImagePatch:
			jpeg = a.patch
		case nrd.ImageOverview:
			jpeg = a.overview
		}
	}
	s.mu.Unlock()
	if jpeg == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "image/jpeg")
	if _, err := w.Write(jpeg); err != nil {
		s.Log.Debug("a picture could not be written", "error", err)
	}
}

// stalled is how long a tablet may not take what it is sent.
const stalled = 5 * time.Second

// stream sends a tablet what it may see each time that this changes, and every
// heartbeat, until it is forgotten.
func (s *Screen) stream(ctx context.Context, w http.ResponseWriter, r *http.Request, t *tablet) {
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	var sent []byte
	s.mu.Lock()
	beaten := s.beat // an old heartbeat is no sign of life
	s.mu.Unlock()
	for {
		s.mu.Lock()
		changed, beat, paired := s.changed, s.beat, s.paired(t)
		s.mu.Unlock()
		if !paired {
			_, _ = fmt.Fprint(w, "event: forgotten\ndata:\n\n") // it is let go in any case
			return
		}
		view, err := json.Marshal(s.looks(t))
		if err != nil {
			s.Log.Error("a view could not be made", "error", err)
			return
		}
		var b bytes.Buffer
		if !bytes.Equal(view, sent) {
			fmt.Fprintf(&b, "event: view\ndata: %s\n\n", view)
			sent = view
		}
		if beat != beaten {
			fmt.Fprintf(&b, "event: beat\ndata: %d\n\n", beat)
			beaten = beat
		}
		if b.Len() > 0 {
			err := out.SetWriteDeadline(time.Now().Add(stalled)) // the network's time, not the unit's
			_, e := w.Write(b.Bytes())
			if err := errors.Join(err, e, out.Flush()); err != nil {
				s.Log.Debug("a tablet is gone", "error", err)
				return
			}
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		case <-ctx.Done():
			return
		}
	}
}
