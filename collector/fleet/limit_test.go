package fleet

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"nrd/internal/identity"
	"nrd/internal/limit"
)

// strangers connect so often and say nothing.
func strangers(t *testing.T, address string, n int) {
	t.Helper()
	for range n {
		s, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(t.Context(), "tcp", address)
		must(t, err)
		t.Cleanup(func() { s.Close() }) //nolint:errcheck // ended by the other side already, or not
	}
}

func TestSilentStrangersKeepNoDeviceFromItsCertificate(t *testing.T) {
	s := newSite(t)
	address := strings.TrimPrefix(s.address, "https://")
	strangers(t, address, 2*MaxConnections)
	began := time.Now()
	u := s.unit("car-7")
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	strangers(t, address, 2*MaxConnections)
	began = time.Now()
	must(t, u.Renew(t.Context(), s.address))
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("a renewal took %s", took)
	}
}

// hall is an HTTPS server with room for two connections. Its path /slow says that it
// was entered and answers when it is told to.
type hall struct {
	t                *testing.T
	address          string
	entered, release chan struct{}
}

func newHall(t *testing.T, known func(tls.ConnectionState) bool) *hall {
	t.Helper()
	s := newSite(t)
	config, err := identity.ServiceTLS(s.file("ca.pem"), s.file("central.pem"), s.file("central.key"))
	must(t, err)
	h := &hall{t: t, entered: make(chan struct{}), release: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/slow", func(http.ResponseWriter, *http.Request) {
		h.entered <- struct{}{}
		<-h.release
	})
	server := &http.Server{Handler: mux, TLSConfig: config, ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	h.address = l.Addr().String()
	ended := make(chan error, 1)
	limited := limit.Listener(server, l, 2, known)
	go func() { ended <- server.ServeTLS(limited, "", "") }()
	t.Cleanup(func() {
		must(t, server.Close())
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return h
}

// ask asks on a connection of its own, which stays open, and gives how it ended.
func (h *hall) ask(path string) <-chan error {
	h.t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // which certificate it has is not the question
	h.t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	ended := make(chan error, 1)
	go func() {
		request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "https://"+h.address+path, nil)
		if err != nil {
			ended <- err
			return
		}
		answer, err := client.Do(request)
		if err != nil {
			ended <- err
			return
		}
		_, err = io.Copy(io.Discard, answer.Body)
		ended <- errors.Join(err, answer.Body.Close())
	}()
	return ended
}

func anybody(tls.ConnectionState) bool { return true }

func TestWhoIsServedKeepsItsPlaceAndWhoWasAnsweredMakesRoom(t *testing.T) {
	h := newHall(t, anybody)
	must(t, <-h.ask("/"))
	served := h.ask("/slow")
	<-h.entered
	strangers(t, h.address, 10)
	for range 3 { // each leaves an idle connection behind
		must(t, <-h.ask("/"))
	}
	h.release <- struct{}{}
	must(t, <-served)
}

func TestWhereAllAreServedTheNextWaits(t *testing.T) {
	h := newHall(t, anybody)
	one := h.ask("/slow")
	<-h.entered
	two := h.ask("/slow")
	<-h.entered
	next := h.ask("/")
	select {
	case err := <-next:
		t.Fatalf("it was answered: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	h.release <- struct{}{}
	must(t, <-next)
	h.release <- struct{}{}
	must(t, <-one)
	must(t, <-two)
}

func TestWhoShowsNoCertificateIsNobodyHoweverBusy(t *testing.T) {
	h := newHall(t, limit.Certified)
	one := h.ask("/slow")
	<-h.entered
	two := h.ask("/slow")
	<-h.entered
	must(t, <-h.ask("/"))
	if err := <-one; err == nil {
		t.Error("the oldest stranger kept its place")
	}
	h.release <- struct{}{}
	h.release <- struct{}{}
	must(t, <-two)
}
