package aim

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net"
	"net/http"
	"strconv"
	"time"

	"nrd/recognise"
)

//go:embed static
var static embed.FS

//go:embed templates/*.html
var templateFiles embed.FS

var templates = template.Must(template.ParseFS(templateFiles, "templates/*.html"))

// server is the page.
type server struct {
	aim      *Aim
	access   *access
	listener net.Listener
	// guessing lets one code be tried at a time.
	guessing chan struct{}
}

// newServer decides by the listener's address who may see the page, and prints
// where it is.
func (a *Aim) newServer() (*server, error) {
	s := &server{aim: a, listener: a.Listener, guessing: make(chan struct{}, 1)}
	address, ok := a.Listener.Addr().(*net.TCPAddr)
	if !ok {
		return nil, fmt.Errorf("%w: %s is no network address", ErrAddress, a.Listener.Addr())
	}
	if address.IP.IsLoopback() {
		fmt.Fprintf(a.Terminal, "Open http://%s/ on this machine. Ctrl-C ends it.\n", address)
		s.access = newAccess(true, a.Terminal)
		return s, nil
	}
	own, err := certificate(address.IP, a.Clock.Now())
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(own.Certificate[0])
	host := address.String()
	if address.IP.IsUnspecified() {
		host = fmt.Sprintf("THIS-MACHINE:%d", address.Port)
	}
	fmt.Fprintf(a.Terminal, "Open https://%s/. The browser will warn that it does not know the certificate:\nits SHA-256 fingerprint must be %X.\n", host, digest)
	s.access = newAccess(false, a.Terminal)
	s.listener = tls.NewListener(a.Listener, &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	return s, nil
}

// longest is how long a request for the next look is kept waiting.
const longest = 10 * time.Second

// run serves until ctx ends.
func (s *server) run(ctx context.Context) error {
	h := &http.Server{
		Handler: s.handler(), ReadTimeout: 10 * time.Second, WriteTimeout: longest + 20*time.Second, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	done := make(chan error, 1)
	go func() {
		<-ctx.Done()
		// Requests under way wait for looks, and end with ctx.
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		err := h.Shutdown(ending)
		if errors.Is(err, context.DeadlineExceeded) {
			err = h.Close()
		}
		done <- err
	}()
	if err := h.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("the page cannot be served: %w", err)
	}
	return <-done
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	files, err := fs.Sub(static, "static")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(files)))
	mux.HandleFunc("GET /{$}", s.page)
	if !s.access.open {
		mux.HandleFunc("POST /code", s.code)
	}
	mux.Handle("GET /look", s.admitted(s.look))
	mux.Handle("POST /region", s.admitted(s.region))
	guarded := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		guarded.ServeHTTP(w, r)
	})
}

func (s *server) admitted(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.access.admits(r) {
			http.Error(w, "this page is not for you", http.StatusForbidden)
			return
		}
		next(w, r)
	})
}

func (s *server) page(w http.ResponseWriter, r *http.Request) {
	switch {
	case s.access.admits(r):
		s.render(w, "aim.html", http.StatusOK, map[string]any{"Name": s.aim.Name, "ShowReads": s.aim.ShowReads, "CanSave": s.aim.Save != nil})
	case s.access.open:
		http.Error(w, "this page is for the machine itself: open it as localhost", http.StatusForbidden)
	default:
		s.render(w, "code.html", http.StatusOK, false)
	}
}

func (s *server) render(w http.ResponseWriter, name string, status int, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if err := templates.ExecuteTemplate(w, name, data); err != nil {
		s.aim.Log.Warn("a page could not be written", "error", err)
	}
}

// patience is how long a wrong code is thought about.
const patience = time.Second

func (s *server) code(w http.ResponseWriter, r *http.Request) {
	s.guessing <- struct{}{}
	defer func() { <-s.guessing }()
	r.Body = http.MaxBytesReader(w, r.Body, 1<<10)
	session, ok := s.access.enter(r.PostFormValue("code"))
	if !ok {
		_ = wait(r.Context(), patience)
		s.render(w, "code.html", http.StatusForbidden, true)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: session, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// look answers with the next look, or with nothing where none comes in time.
func (s *server) look(w http.ResponseWriter, r *http.Request) {
	after, _ := strconv.ParseUint(r.URL.Query().Get("after"), 10, 64) // anything else: the newest
	ctx, cancel := context.WithTimeout(r.Context(), longest)
	defer cancel()
	look := s.aim.board.after(ctx, after)
	if look == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	s.reply(w, look)
}

// region takes another region of interest, shows it at once and keeps it.
func (s *server) region(w http.ResponseWriter, r *http.Request) {
	var region recognise.Region
	var values []float64
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&values); err != nil || len(values) != len(region) {
		http.Error(w, "a region is four numbers", http.StatusBadRequest)
		return
	}
	copy(region[:], values)
	if err := region.Check(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.aim.board.setRegion(region)
	if s.aim.Save == nil {
		s.reply(w, map[string]any{"saved": false, "text": "For the configuration, under [[camera]]: " + Line(region)})
		return
	}
	text, err := s.aim.Save(region)
	if err != nil {
		s.aim.Log.Warn("the region was not saved", "error", err)
		s.reply(w, map[string]any{"saved": false, "text": err.Error()})
		return
	}
	s.reply(w, map[string]any{"saved": true, "text": text})
}

// Line is the line of the configuration that sets a region.
func Line(r recognise.Region) string {
	return fmt.Sprintf("region = [%.3f, %.3f, %.3f, %.3f]", r[0], r[1], r[2], r[3])
}

func (s *server) reply(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		s.aim.Log.Debug("an answer could not be written", "error", err)
	}
}
