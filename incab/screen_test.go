package incab

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nrd"
	"nrd/internal/clock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cab is a vehicle with a screen: what the unit would tell it is set by hand.
type cab struct {
	*Screen
	t       *testing.T
	url     string
	running context.CancelFunc
	ended   chan error
	hand    *clock.Manual

	mu     sync.Mutex
	fix    nrd.Fix
	told   []nrd.OfficerEvent
	kept   []byte
	full   error // the buffer's answer
	asked  int   // so often the buffer was given something
	broken error // the disk's answer
	names  []string
	good   time.Time
	plain  bool // hits are shown without pictures
	hang   chan struct{}
	unit   Status
	lookup map[nrd.VRM][]nrd.Hit
	live   bool // a live gateway answers checks
	next   uint64
}

var began = time.Date(2026, 11, 23, 21, 30, 0, 0, time.UTC)

func newCab(t *testing.T) *cab {
	t.Helper()
	c := &cab{t: t, hand: clock.NewManual(began), fix: nrd.Fix{Source: nrd.FixGPS, SpeedKnown: true}}
	c.unit = Status{Cameras: []Camera{{"front", true}}, GPS: true, Link: true, Clock: true, Waiting: 3, Lists: []nrd.ListVersion{{List: "national", Issued: began.Add(-2 * time.Hour)}}}
	c.start()
	t.Cleanup(c.stop)
	return c
}

// start begins with what an earlier start has kept.
func (c *cab) start() {
	c.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(c.t, err)
	profile, err := nrd.LoadProfile(nrd.DefaultProfile)
	must(c.t, err)
	c.Screen = &Screen{
		Listener: listener, Profile: profile, StandingSpeed: 1.5, Pictures: !c.plain, Clock: c.hand, Log: slog.New(slog.DiscardHandler),
		Load: func() ([]byte, error) {
			if c.kept == nil {
				return nil, fs.ErrNotExist
			}
			return c.kept, nil
		},
		Save: func(text []byte) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.broken == nil {
				c.kept = text
			}
			return c.broken
		},
		Names:  func() []string { c.mu.Lock(); defer c.mu.Unlock(); return c.names },
		Good:   func() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.good },
		Fix:    func() nrd.Fix { c.mu.Lock(); defer c.mu.Unlock(); return c.fix },
		Status: c.answer,
		Check:  func(_ context.Context, v nrd.VRM, _, _ string) ([]nrd.Hit, bool) { return c.lookup[v], c.live },
		Tell: func(e nrd.OfficerEvent) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.asked++
			if c.full == nil {
				c.told = append(c.told, e)
			}
			return c.full
		},
	}
	must(c.t, c.Initialize())
	ctx, cancel := context.WithCancel(context.Background())
	c.running, c.ended = cancel, make(chan error, 1)
	screen := c.Screen
	go func() { c.ended <- screen.Run(ctx) }()
	c.url = "https://" + listener.Addr().String()
}

func (c *cab) stop() {
	if c.running == nil {
		return
	}
	c.running()
	if err := <-c.ended; err != nil {
		c.t.Errorf("the screen ended with %v", err)
	}
	c.running = nil
}

// answer is how the unit is; it waits while the unit hangs.
func (c *cab) answer() Status {
	c.mu.Lock()
	hang, status := c.hang, c.unit
	c.mu.Unlock()
	if hang != nil {
		<-hang
	}
	return status
}

// hangs stops the unit from answering until it comesBack or the test is over.
func (c *cab) hangs() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hang = make(chan struct{})
	c.t.Cleanup(c.comesBack)
}

func (c *cab) comesBack() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hang != nil {
		close(c.hang)
		c.hang = nil
	}
}

func (c *cab) drive(f nrd.Fix) { c.mu.Lock(); defer c.mu.Unlock(); c.fix = f }

// listsAre gives the unit one list, so old.
func (c *cab) listsAre(old time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unit.Lists = []nrd.ListVersion{{List: "national", Issued: began.Add(-old)}}
}

func (c *cab) events() []nrd.OfficerEvent {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]nrd.OfficerEvent(nil), c.told...)
}

// alerts gives the queue as who is on duty sees it.
func (c *cab) alerts() []alertView {
	c.Screen.mu.Lock()
	defer c.Screen.mu.Unlock()
	var views []alertView
	for _, a := range c.state.Alerts {
		views = append(views, c.alertView(a))
	}
	return views
}

// hit is an entry that matches.
func hit(vrm nrd.VRM, p nrd.Priority, change ...func(*nrd.Hit)) nrd.Hit {
	h := nrd.Hit{
		Entry: nrd.Entry{
			List: "national", VRM: vrm, Make: "FORD", Model: "FOCUS", Colour: "BLUE", Priority: p, Action: "Stop and arrest",
			Markers: []string{"WE", "VI"}, Reason: "Stolen in a burglary", Information: "Call control first", Force: "Test Constabulary",
		},
		List: nrd.ListVersion{List: "national", Issued: began.Add(-2 * time.Hour)}, ListAge: 2 * time.Hour, Match: nrd.MatchExact, Freshness: nrd.Fresh,
	}
	for _, f := range change {
		f(&h)
	}
	return h
}

// record is a passage with hits.
func (c *cab) record(vrm nrd.VRM, hits ...nrd.Hit) *nrd.Record {
	c.next++
	return &nrd.Record{
		Key: nrd.Key{Device: "car-7", Epoch: 9, Sequence: c.next}, Camera: nrd.Camera{Name: "front"}, Captured: c.hand.Stamp(),
		Direction: nrd.DirectionAway, Read: nrd.Read{VRM: vrm, Raw: string(vrm), Confidence: 93}, Passage: nrd.Passage{Number: c.next}, Hits: hits,
	}
}

// Recorded tells of a record, as one that is to be told unless it is said how.
func (c *cab) Recorded(rec *nrd.Record, as ...Telling) {
	c.Screen.Recorded(rec, append(as, Telling{Times: 1, Now: true})[0])
}

func (c *cab) Provisional(rec *nrd.Record, as ...Telling) {
	c.Screen.Provisional(rec, append(as, Telling{Times: 1, Now: true})[0])
}

// browser is somebody with a browser of their own, paired or not.
func (c *cab) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	must(c.t, err)
	pool := x509.NewCertPool()
	c.Screen.mu.Lock()
	issuer, err := x509.ParseCertificate(c.state.Issuer)
	c.Screen.mu.Unlock()
	must(c.t, err)
	pool.AddCert(issuer)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Time: func() time.Time { return began }}}
	c.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: transport}
}

// tabletOf pairs a new browser.
func (c *cab) tabletOf(seat string) *http.Client {
	c.t.Helper()
	i, err := c.Pair(seat)
	must(c.t, err)
	b := c.browser()
	if status, text := c.post(b, "/pair", "code", i.Code); status != http.StatusOK || !strings.Contains(text, `data-role="`+seat) {
		c.t.Fatalf("%s was not paired: %d %s", seat, status, text)
	}
	return b
}

// onDutyAt pairs a tablet and signs an officer on.
func (c *cab) onDutyAt(seat, collar string) *http.Client {
	c.t.Helper()
	b := c.tabletOf(seat)
	if status, text := c.post(b, "/sign-on", "collar", collar, "authoriser", "Insp Grey", "reference", "2026/11/23-0417"); status != http.StatusOK {
		c.t.Fatalf("sign-on: %d %s", status, text)
	}
	return b
}

func (c *cab) post(b *http.Client, path string, fields ...string) (int, string) {
	c.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	answer, err := b.PostForm(c.url+path, form)
	must(c.t, err)
	return read(c.t, answer)
}

func (c *cab) get(b *http.Client, path string) (int, string) {
	c.t.Helper()
	answer, err := b.Get(c.url + path)
	must(c.t, err)
	return read(c.t, answer)
}

func read(t *testing.T, answer *http.Response) (int, string) {
	t.Helper()
	text, err := io.ReadAll(answer.Body)
	must(t, errors.Join(err, answer.Body.Close()))
	return answer.StatusCode, string(text)
}

// stream gives what a tablet is sent, line by line, until the test is over.
func (c *cab) stream(b *http.Client) <-chan string {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/events", nil)
	must(c.t, err)
	answer, err := b.Do(request)
	must(c.t, err)
	lines, done := make(chan string, 1000), make(chan struct{})
	go func() {
		defer close(done)
		for scanner := bufio.NewScanner(answer.Body); scanner.Scan(); {
			lines <- scanner.Text()
		}
		close(lines)
	}()
	c.t.Cleanup(func() { cancel(); _ = answer.Body.Close(); <-done })
	return lines
}

// sees waits for a line of a stream, and gives all lines up to it.
func sees(t *testing.T, lines <-chan string, what string, is func(string) bool) []string {
	t.Helper()
	var all []string
	late := time.After(10 * time.Second)
	for {
		select {
		case line, open := <-lines:
			all = append(all, line)
			if is(line) {
				return all
			}
			if !open {
				t.Fatalf("the stream ended without %s:\n%s", what, strings.Join(all, "\n"))
			}
		case <-late:
			t.Fatalf("%s did not come:\n%s", what, strings.Join(all, "\n"))
		}
	}
}

func has(parts ...string) func(string) bool {
	return func(line string) bool {
		for _, p := range parts {
			if !strings.Contains(line, p) {
				return false
			}
		}
		return true
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
