package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"nrd"
	"nrd/collector/store"
	"nrd/internal/clock"
	"nrd/internal/commandline"
	"nrd/internal/identity"
	"nrd/internal/sealed"
	"nrd/uplink"
)

// unit is a device with a real buffer and a real connection.
type unit struct {
	buffer   *uplink.Buffer
	receipts chan string
}

// connect starts the unit roadside-0001 of the site; it stops with the test.
func (s *site) connect(devices net.Addr) *unit {
	s.t.Helper()
	files := s.t.TempDir()
	ca, err := identity.OpenSite(s.dir, clock.System())
	if err == nil {
		err = ca.IssueDevice(files, "roadside-0001")
	}
	if err != nil {
		s.t.Fatal(err)
	}
	config, err := identity.ClientTLS(filepath.Join(s.dir, "ca.pem"), filepath.Join(files, "roadside-0001.pem"), filepath.Join(files, "roadside-0001.key"))
	if err != nil {
		s.t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	buffer, err := uplink.OpenBuffer(uplink.BufferConfig{
		Dir: filepath.Join(s.t.TempDir(), "buffer"), Device: "roadside-0001", Key: sealed.NewKey(), MaxBytes: 1e9, MaxAge: 24 * time.Hour, Clock: clock.System(), Log: log,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	u := &unit{buffer: buffer, receipts: make(chan string, 100)}
	client := &uplink.Client{
		Broker: "tls://" + devices.String(), TLS: config, Device: "roadside-0001", Buffer: buffer, Clock: clock.System(), Log: log,
		Status: func() nrd.Status {
			now := time.Now().UTC()
			return nrd.Status{
				Device: "roadside-0001", At: now, Software: "test", Problems: []string{"The lens is dirty."},
				Lists: []nrd.ListVersion{{List: "national", Version: 4, Issued: now.Add(-30*time.Hour - time.Minute), Entries: 5}},
			}
		},
		OnReceipt: func(_ nrd.Key, kind, outcome string) { u.receipts <- kind + " " + outcome },
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- client.Run(ctx) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
		if err := buffer.Close(); err != nil {
			s.t.Error(err)
		}
	})
	return u
}

// await waits for receipts, in any order.
func (u *unit) await(t *testing.T, want ...string) {
	t.Helper()
	waiting := map[string]bool{}
	for _, w := range want {
		waiting[w] = true
	}
	limit := time.After(time.Minute)
	for len(waiting) > 0 {
		select {
		case r := <-u.receipts:
			delete(waiting, r)
		case <-limit:
			t.Fatalf("no receipt says %v", waiting)
		}
	}
}

// person is a browser that trusts the site's CA and keeps cookies.
type person struct {
	t      *testing.T
	client *http.Client
	base   string
}

func (s *site) person(page net.Addr) *person {
	s.t.Helper()
	ca, err := os.ReadFile(filepath.Join(s.dir, "ca.pem"))
	if err != nil {
		s.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &person{s.t, &http.Client{Jar: jar, Transport: transport}, "https://" + page.String()}
}

func (p *person) read(answer *http.Response, err error) string {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		p.t.Fatal(err)
	}
	return string(body)
}

func (p *person) get(path string) string {
	p.t.Helper()
	return p.read(p.client.Get(p.base + path))
}

func (p *person) post(path string, form url.Values) string {
	p.t.Helper()
	return p.read(p.client.PostForm(p.base+path, form))
}

func sighting() *nrd.Record {
	c := clock.System()
	now := c.Now()
	return &nrd.Record{
		Camera: nrd.Camera{Feed: 1, Source: 1, Camera: 1, Name: "A1 northbound"}, Captured: proved(c), Direction: nrd.DirectionAway,
		Fix:     nrd.Fix{Source: nrd.FixStatic, Latitude: 51.5, Longitude: -0.12},
		Read:    nrd.Read{VRM: "AB12CDE", Raw: "AB12CDE", Confidence: 96, Syntax: "current", Engine: "test"},
		Passage: nrd.Passage{FirstFrame: 1, LastFrame: 9, Frame: 5, Frames: 9, FirstSeen: now.Add(-time.Second), LastSeen: now},
		Plate:   nrd.Quad{{X: 1, Y: 1}, {X: 9, Y: 1}, {X: 9, Y: 3}, {X: 1, Y: 3}}, FrameWidth: 640, FrameHeight: 360,
		Profile: nrd.DefaultProfile, Controller: "Example Constabulary", Software: "test",
		Patch: drawn(120, 40), Overview: drawn(640, 360),
	}
}

func TestARecordGoesTheWholeWayToTheSearchAndThePage(t *testing.T) {
	s := newSite(t)
	password := s.staff()
	page, devices, stop := s.serve()
	jane := s.person(page)
	if health := jane.get("/healthz"); health != "ok\n" {
		t.Errorf("health: %q", health)
	}
	if text := jane.post("/sign-in", url.Values{"name": {"jane.doe"}, "password": {password}}); !strings.Contains(text, "Latest records") {
		t.Fatalf("signed in, the page is\n%s", text)
	}

	// The commands work while the server holds the store.
	s.must("device", "approve", "roadside-0001", "--by", "ACC Stone", "--reference", "DPIA 7")
	u := s.connect(devices)
	key, err := u.buffer.Append(sighting())
	if err != nil {
		t.Fatal(err)
	}
	u.await(t, "record stored", "patch stored", "overview stored")

	var found struct {
		Key, VRM, Camera string
		Patch, Overview  bool
	}
	text := s.must("search", "--vrm", "ab12*", "--from", time.Now().Add(-time.Hour).Format(time.RFC3339), "--camera", "A1 northbound", "--reason", "incident 7", "--json")
	if err := json.Unmarshal([]byte(text), &found); err != nil || found.Key != key.String() || found.VRM != "AB12CDE" || !found.Patch || !found.Overview {
		t.Errorf("found %s, %v", text, err)
	}
	if text := s.must("search", "--vrm", "XY*", "--reason", "incident 7", "--json"); text != "" {
		t.Errorf("found %s", text)
	}

	for _, want := range []string{"AB12 CDE", "A1 northbound", "/live/image/" + key.String() + "/patch"} {
		if live := jane.get("/live"); !strings.Contains(live, want) {
			t.Errorf("the live page does not show %q", want)
		}
	}
	results := jane.post("/search", url.Values{"vrm": {"AB12CDE"}, "reason": {"incident 7"}})
	_, link, found2 := strings.Cut(results, `href="/record/`)
	if !found2 {
		t.Fatalf("the search's page is\n%s", results)
	}
	link, _, _ = strings.Cut(link, `"`)
	record := jane.get("/record/" + link)
	_, image, _ := strings.Cut(record, `class="overview" src="`)
	image, _, _ = strings.Cut(image, `"`)
	if picture := jane.get(image); picture != string(drawn(640, 360).JPEG) {
		t.Errorf("%s gives %d bytes", image, len(picture))
	}
	// Statuses are stored now and then, many together.
	for limit := time.Now().Add(time.Minute); !strings.Contains(jane.get("/devices"), "The lens is dirty."); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("the devices' page does not show the unit's status")
		}
	}
	if text := s.must("device", "list"); !strings.Contains(text, "The lens is dirty.") || !strings.Contains(text, "national v4, 30h") {
		t.Errorf("the devices are\n%s", text)
	}

	dir := filepath.Join(t.TempDir(), "backup")
	s.must("backup", dir)
	if o := run(t, "", "restore", dir, "-c", s.config); o.code != commandline.Failed || !strings.Contains(o.err, "central is running") {
		t.Errorf("a restore under the running server: %+v", o)
	}
	if o := run(t, "", "serve", "-c", s.config); o.code != commandline.Failed || !strings.Contains(o.err, "another process has this store open") {
		t.Errorf("a second server: %+v", o)
	}
	if code := stop(); code != commandline.Done {
		t.Errorf("the server ended with %d", code)
	}
	if text := s.must("search", "--vrm", "AB12CDE", "--reason", "incident 7"); !strings.Contains(text, "AB12CDE") {
		t.Errorf("without the server, the search finds\n%s", text)
	}
}

func TestTheServerEndsWhileALivePageIsOpen(t *testing.T) {
	s := newSite(t)
	password := s.staff()
	page, _, stop := s.serve()
	jane := s.person(page)
	jane.post("/sign-in", url.Values{"name": {"jane.doe"}, "password": {password}})
	live := jane.get("/live")
	_, events, _ := strings.Cut(live, `data-events="`)
	events, _, _ = strings.Cut(events, `"`)
	answer, err := jane.client.Get(jane.base + events + "&after=0")
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatal(answer, err)
	}
	if code := stop(); code != commandline.Done {
		t.Errorf("the server ended with %d", code)
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Logf("the stream ended with %v", err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Error(err)
	}
}

func TestAPortThatIsTakenIsNamedWithItsSetting(t *testing.T) {
	s := newSite(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	text, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	ingest, pageSection, _ := strings.Cut(string(text), "[page]")
	pageSection = strings.Replace(pageSection, "127.0.0.1:0", l.Addr().String(), 1)
	if err := os.WriteFile(s.config, []byte(fmt.Sprint(ingest, "[page]", pageSection)), 0o600); err != nil {
		t.Fatal(err)
	}
	if o := run(t, "", "serve", "-c", s.config); o.code != commandline.Failed || !strings.Contains(o.err, "page.listen") || !strings.Contains(o.err, "in use") {
		t.Errorf("%+v", o)
	}
}

// proved is a clock's time as one that NTP has set would give it.
func proved(c nrd.Clock) nrd.Stamp {
	s := c.Stamp()
	s.Source, s.Proved = nrd.ClockNTP, true
	return s
}

func TestAFullDiskHasAnExitCodeOfItsOwn(t *testing.T) {
	f := commandline.Frame{Out: io.Discard, Err: io.Discard}
	full := &cobra.Command{Use: "central", RunE: func(*cobra.Command, []string) error {
		return failed(fmt.Errorf("store: %w", store.ErrFull))
	}}
	if code := f.Execute(t.Context(), full, "", []string{}); code != 6 { // as the help and internal/faults say
		t.Errorf("the exit code is %d, want 6", code)
	}
}
