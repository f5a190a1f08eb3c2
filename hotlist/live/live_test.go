package live_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nrd"
	"nrd/hotlist/live"
	"nrd/hotlist/live/gateway"
	"nrd/internal/clock"
	"nrd/internal/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// room is a gateway behind mutual TLS, and a unit that asks it.
type room struct {
	t       *testing.T
	gateway *gateway.Gateway
	client  *live.Client
	hand    *clock.Manual
	address string
	// inFront stands before the gateway, nil for nothing.
	inFront atomic.Pointer[http.HandlerFunc]
	asked   atomic.Int64
	site    string
}

func newRoom(t *testing.T) *room {
	t.Helper()
	r := &room{t: t, hand: clock.NewManual(noon), site: t.TempDir()}
	ca, err := identity.NewSite(r.site, clock.System())
	must(t, err)
	must(t, ca.IssueServer(r.site, "server", []string{"127.0.0.1"}))
	for _, device := range []string{"car-7", "car-8"} {
		must(t, ca.IssueDevice(r.site, device))
	}
	r.gateway = &gateway.Gateway{Name: "force live", Clock: r.hand, Asked: func(live.Query) { r.asked.Add(1) }}
	r.gateway.Put("national", nil)
	server, err := identity.ServerTLS(filepath.Join(r.site, "ca.pem"), filepath.Join(r.site, "server.pem"), filepath.Join(r.site, "server.key"))
	must(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	r.address = "https://" + listener.Addr().String() + "/lookup"
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			if f := r.inFront.Load(); f != nil {
				(*f)(w, q)
				return
			}
			r.gateway.ServeHTTP(w, q)
		}),
		ReadHeaderTimeout: 5 * time.Second, TLSConfig: server, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- s.ServeTLS(listener, "", "") }()
	t.Cleanup(func() {
		must(t, s.Close())
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	r.client = r.newClient("car-7")
	return r
}

func (r *room) newClient(device string) *live.Client {
	r.t.Helper()
	c := &live.Client{URL: r.address, TLS: r.tls(device), Device: device, Timeout: 500 * time.Millisecond, Clock: r.hand}
	c.Initialize()
	r.t.Cleanup(c.Close)
	return c
}

func (r *room) tls(device string) *tls.Config {
	r.t.Helper()
	config, err := identity.ClientTLS(filepath.Join(r.site, "ca.pem"), filepath.Join(r.site, device+".pem"), filepath.Join(r.site, device+".key"))
	must(r.t, err)
	return config
}

func (r *room) front(f http.HandlerFunc) { r.inFront.Store(&f) }

// says lets something else than the gateway answer.
func (r *room) says(status int, text string) {
	r.front(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, text)
	})
}

func entry(vrm nrd.VRM, p nrd.Priority, reference string) nrd.Entry {
	return nrd.Entry{List: "national", VRM: vrm, Priority: p, Reason: "Stolen", Markers: []string{"WE"}, Reference: reference, Weed: noon.AddDate(0, 1, 0).Truncate(24 * time.Hour)}
}

func cached(list string, e nrd.Entry) nrd.Hit {
	e.List = list
	return nrd.Hit{Entry: e, List: nrd.ListVersion{List: list}, ListAge: 90 * time.Hour, Match: nrd.MatchExact, Freshness: nrd.Stale}
}

func ask(c *live.Client, vrm nrd.VRM) (live.Answer, error) {
	return c.Ask(context.Background(), live.Query{VRM: vrm, Purpose: live.PurposeRead})
}

func TestAnAnswerTakesThePlaceOfTheCacheForTheListsThatItAnswersFor(t *testing.T) {
	r := newRoom(t)
	near := cached("national", entry("AB12CDF", nrd.PriorityHigh, "3"))
	near.Match = nrd.MatchNear
	before := []nrd.Hit{cached("national", entry("AB12CDE", nrd.PriorityHigh, "1")), cached("local", entry("AB12CDE", nrd.PriorityLow, "2")), near}
	for sentence, c := range map[string]struct {
		entries []nrd.Entry
		want    string
	}{
		"no longer of interest: what the gateway does not answer for, and a near match, stay": {nil, "AB12CDF high cache, AB12CDE low cache, "},
		"still of interest, and fresh now":     {[]nrd.Entry{entry("AB12CDE", nrd.PriorityHigh, "1")}, "AB12CDE high live, AB12CDF high cache, AB12CDE low cache, "},
		"an entry that the cache has not":      {[]nrd.Entry{entry("AB12CDE", nrd.PriorityMedium, "9")}, "AB12CDF high cache, AB12CDE medium live, AB12CDE low cache, "},
		"an entry whose weed date has gone by": {[]nrd.Entry{{VRM: "AB12CDE", Priority: nrd.PriorityHigh, Weed: noon.AddDate(0, 0, -3)}}, "AB12CDF high cache, AB12CDE low cache, "},
	} {
		r.gateway.Put("national", c.entries)
		answer, err := ask(r.client, "AB12CDE")
		must(t, err)
		got := ""
		for _, h := range answer.Over(before) {
			source := "cache"
			if h.Live {
				source = "live"
			}
			if h.Live == h.VerifyBeforeStop() {
				t.Errorf("%s: %+v", sentence, h)
			}
			got += fmt.Sprintf("%s %s %s, ", h.Entry.VRM, h.Entry.Priority, source)
		}
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", sentence, got, c.want)
		}
		if answer.Gateway != "force live" {
			t.Errorf("it calls itself %q", answer.Gateway)
		}
	}
}

func TestARememberedAnswerAddsAndConfirmsHitsAndTakesNoneAway(t *testing.T) {
	r := newRoom(t)
	r.gateway.Put("national", []nrd.Entry{entry("AB12CDE", nrd.PriorityMedium, "2"), entry("AB12CDE", nrd.PriorityHigh, "9")})
	l := &live.Lookups{Client: r.client, Log: slog.New(slog.DiscardHandler)}
	hits := []nrd.Hit{cached("national", entry("AB12CDE", nrd.PriorityHigh, "1")), cached("national", entry("AB12CDE", nrd.PriorityMedium, "2"))}
	says := func(what, want string) {
		t.Helper()
		got := ""
		for _, h := range l.With("AB12CDE", hits) {
			got += fmt.Sprintf("%s %v, ", h.Entry.Reference, h.Live)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	says("before it was asked", "1 false, 2 false, ")
	if _, asked := l.Check(t.Context(), "AB12CDE", "1234", "at the scene", nil); !asked {
		t.Fatal("it does not answer")
	}
	says("with its answer", "9 true, 1 false, 2 true, ")
	r.hand.Advance(61 * time.Second)
	says("when the answer holds no longer", "1 false, 2 false, ")
}

func TestOnlyAUnitWithItsOwnCertificateIsAnswered(t *testing.T) {
	r := newRoom(t)
	stranger := r.newClient("car-7")
	stranger.TLS = r.tls("car-7")
	stranger.TLS.Certificates = nil
	stranger.Initialize()
	if _, err := ask(stranger, "AB12CDE"); err == nil {
		t.Error("a unit without a certificate was answered")
	}
	other := r.newClient("car-7")
	other.TLS = r.tls("car-8")
	other.Initialize()
	if _, err := ask(other, "AB12CDE"); err == nil {
		t.Error("a unit was answered under another's name")
	}
	elsewhere := newRoom(t)
	wrong := r.newClient("car-7")
	wrong.TLS.RootCAs = elsewhere.tls("car-7").RootCAs
	wrong.Initialize()
	if _, err := ask(wrong, "AB12CDE"); err == nil {
		t.Error("a gateway of another CA was believed")
	}
	if r.asked.Load() != 0 {
		t.Errorf("%d questions came through", r.asked.Load())
	}
}

func TestAnAnswerThatCannotBeIsNone(t *testing.T) {
	good := `{"gateway":"g","at":"2026-11-23T12:00:00Z","lists":["national"],"entries":[{"list":"national","vrm":"AB12CDE","priority":"high"}],"more":1}`
	r := newRoom(t)
	r.says(http.StatusOK, good)
	if _, err := ask(r.client, "AB12CDE"); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"no JSON":           `<html>`,
		"another mark":      `{"gateway":"g","lists":["national"],"entries":[{"list":"national","vrm":"XY34ZZZ","priority":"high"}]}`,
		"a list not named":  `{"gateway":"g","lists":[],"entries":[{"list":"national","vrm":"AB12CDE","priority":"high"}]}`,
		"no such priority":  `{"gateway":"g","lists":["national"],"entries":[{"list":"national","vrm":"AB12CDE","priority":"urgent"}]}`,
		"a date that isn't": `{"gateway":"g","lists":["national"],"entries":[{"list":"national","vrm":"AB12CDE","priority":"low","weed":"31/12/2026"}]}`,
		"no name":           `{"lists":["national"],"entries":[]}`,
		"endless":           `{"gateway":"` + string(make([]byte, 100_000)) + `"}`,
	} {
		r.client = r.newClient("car-7")
		r.says(http.StatusOK, text)
		if a, err := ask(r.client, "AB12CDE"); !errors.Is(err, live.ErrAnswer) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
	r.front(func(w http.ResponseWriter, q *http.Request) {
		http.Redirect(w, q, "/elsewhere", http.StatusTemporaryRedirect)
	})
	if _, err := ask(r.newClient("car-7"), "AB12CDE"); err == nil {
		t.Error("a redirection was followed")
	}
}

func TestAGatewayThatDoesNotAnswerIsLeftAloneAndTriedAgain(t *testing.T) {
	r := newRoom(t)
	r.client.Timeout = 50 * time.Millisecond
	var came atomic.Int64
	r.front(func(_ http.ResponseWriter, q *http.Request) { came.Add(1); <-q.Context().Done() })
	for range 3 {
		if _, err := ask(r.client, "AB12CDE"); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("it was waited for: %v", err)
		}
	}
	for range 5 {
		if _, err := ask(r.client, "AB12CDE"); !errors.Is(err, live.ErrOpen) {
			t.Fatalf("after three failures: %v", err)
		}
	}
	r.hand.Advance(2 * time.Second)
	if _, err := ask(r.client, "AB12CDE"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after the rest: %v", err)
	}
	r.hand.Advance(2 * time.Second)
	if _, err := ask(r.client, "AB12CDE"); !errors.Is(err, live.ErrOpen) {
		t.Errorf("the rest did not grow: %v", err)
	}
	if came.Load() > 4 { // one may not even have come there in time
		t.Errorf("it was asked %d times", came.Load())
	}
	r.inFront.Store(nil)
	r.client.Timeout = 20 * time.Second
	r.hand.Advance(2 * time.Second)
	for range 2 {
		if _, err := ask(r.client, "AB12CDE"); err != nil {
			t.Errorf("it answers again: %v", err)
		}
	}
}

func TestRecordsAreAskedAboutInABoundedQueueHitsFirstAndOnceAMinute(t *testing.T) {
	r := newRoom(t)
	r.client.Timeout = 20 * time.Second
	var mu sync.Mutex
	var order []nrd.VRM
	both := make(chan struct{}) // closed when each of the two workers has asked
	r.gateway.Asked = func(q live.Query) {
		mu.Lock()
		order = append(order, q.VRM)
		if len(order) == 2 {
			close(both)
		}
		mu.Unlock()
		<-both
	}
	var told []nrd.VRM
	l := &live.Lookups{Client: r.client, Log: slog.New(slog.DiscardHandler), Answered: func(rec *nrd.Record, _ live.Answer) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, rec.Read.VRM)
	}}
	for n := range 200 {
		l.Ask(&nrd.Record{Read: nrd.Read{VRM: nrd.VRM(fmt.Sprintf("AA%dBB", n))}})
	}
	l.Ask(&nrd.Record{Read: nrd.Read{VRM: "H1T"}, Hits: []nrd.Hit{cached("national", entry("H1T", nrd.PriorityHigh, "1"))}})
	if n := l.Counts().Dropped; n != 200-128 {
		t.Errorf("%d were dropped", n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	for late := time.Now().Add(20 * time.Second); l.Counts().Answered < 129 && time.Now().Before(late); {
		time.Sleep(5 * time.Millisecond)
	}
	hits := []nrd.Hit{cached("national", entry("H1T", nrd.PriorityHigh, "1"))}
	answers := func() int { mu.Lock(); defer mu.Unlock(); return len(told) }
	for late := time.Now().Add(20 * time.Second); answers() < 129 && time.Now().Before(late); {
		time.Sleep(5 * time.Millisecond)
	}
	l.Ask(&nrd.Record{Read: nrd.Read{VRM: "H1T"}, Hits: hits})
	if n := answers(); n != 130 {
		t.Errorf("the answer of a moment ago is not told of the next record: %d were told", n)
	}
	r.hand.Advance(61 * time.Second)
	if over, asked := l.Check(ctx, "H1T", "1234", "at the scene", hits); !asked || len(over) != 0 {
		t.Errorf("a check: %v, %+v", asked, over)
	}
	if _, asked := l.Check(ctx, "H1T", "", "", hits); asked {
		t.Error("a check without an officer was answered")
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	// Behind the 129 comes the check: no read was asked about twice.
	if len(order) != 130 || !slices.Contains(order[:2], "H1T") {
		t.Errorf("%d questions, first %v", len(order), order[:2])
	}
}

func TestTheQuestionSaysWhoAsksAndWhy(t *testing.T) {
	r := newRoom(t)
	var got live.Query
	r.gateway.Asked = func(q live.Query) { got = q }
	_, err := r.client.Ask(t.Context(), live.Query{VRM: "AB12CDE", Purpose: live.PurposeCheck, Officer: "1234", Reason: "at the scene"})
	must(t, err)
	if want := (live.Query{VRM: "AB12CDE", Device: "car-7", Purpose: "check", At: noon, Officer: "1234", Reason: "at the scene"}); got != want {
		t.Errorf("asked %+v", got)
	}
}

func FuzzAnswer(f *testing.F) {
	text, err := json.Marshal(live.Answer{Gateway: "g", At: noon, Lists: []string{"l"}, Entries: []live.Entry{{List: "l", VRM: "AB12CDE", Priority: "high", Weed: "2026-12-31"}}})
	must(f, err)
	f.Add(text)
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"gateway":"g","lists":["l"],"entries":[{"list":"l","vrm":"AB12CDE","priority":""}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := live.Parse(text, "AB12CDE")
		if err != nil {
			if !errors.Is(err, live.ErrAnswer) {
				t.Fatal(err)
			}
			return
		}
		for _, h := range a.Over(nil) {
			if h.Entry.VRM != "AB12CDE" || h.List.List == "" || h.VerifyBeforeStop() {
				t.Errorf("a hit of %+v", h)
			}
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
