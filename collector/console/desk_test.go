package console

import (
	"bytes"
	"crypto/sha256"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
	"go.uber.org/goleak"

	"nrd"
	"nrd/collector/access"
	"nrd/collector/fleet"
	"nrd/collector/lists"
	"nrd/collector/store"
	"nrd/collector/store/sqlite"
	"nrd/internal/clock"
	"nrd/internal/identity"
	"nrd/internal/sealed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "a long enough phrase"

// desk is a console over HTTPS with a real store.
type desk struct {
	*Console
	clock  *clock.Manual
	server *httptest.Server
	serial uint64
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	c := clock.NewManual(time.Date(2026, 11, 23, 14, 30, 0, 0, time.UTC))
	log := slog.New(slog.DiscardHandler)
	st, err := sqlite.Open(sqlite.Config{Dir: t.TempDir(), Key: sealed.NewKey(), Clock: c, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	profile, err := nrd.LoadProfile(nrd.DefaultProfile)
	if err != nil {
		t.Fatal(err)
	}
	door := &access.Service{Store: st, Profile: profile, Clock: c, Log: log, Idle: 30 * time.Minute, Absolute: 12 * time.Hour}
	if err := door.Initialize(); err != nil {
		t.Fatal(err)
	}
	zone, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	site := t.TempDir()
	ca, err := identity.NewSite(site, c)
	if err == nil {
		err = ca.IssueIssuer(site)
	}
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := identity.OpenIssuer(filepath.Join(site, "ca.pem"), filepath.Join(site, "issuer.pem"), filepath.Join(site, "issuer.key"), c)
	if err != nil {
		t.Fatal(err)
	}
	devices := &fleet.Fleet{Store: st, Access: door, Issuer: issuer, ReviewDays: profile.DeviceReviewDays, Clock: c, Log: log}
	l := &lists.Lists{
		Store: st, Access: door, Dir: t.TempDir(), Inbox: t.TempDir(), Key: sealed.NewKey(), Profile: profile, Clock: c, Log: log,
		Limits: lists.Limits{Shrink: 0.2, Late: time.Hour, Retrospect: 24 * time.Hour},
	}
	if err := l.Initialize(t.Context()); err != nil {
		t.Fatal(err)
	}
	d := &desk{Console: &Console{Access: door, Fleet: devices, Lists: l, Store: st, Profile: profile, Zone: zone, Clock: c, Log: log}, clock: c}
	if err := d.Initialize(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.server = httptest.NewTLSServer(d)
	t.Cleanup(func() {
		d.Close()
		d.server.Close()
		l.Close()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	d.add(t, "jane.doe")
	return d
}

// people are those who may sign in, by name: their full name and their role.
var people = map[string][2]string{
	"jane.doe": {"Jane Doe", "anpr-manager"}, "sam.hill": {"Sam Hill", "officer"}, "ros.kerr": {"Ros Kerr", "control-room"},
	"ivy.tan": {"Ivy Tan", "it"}, "al.dunn": {"Al Dunn", "auditor"},
}

// add makes a person's account, once.
func (d *desk) add(t testing.TB, name string) {
	t.Helper()
	if _, err := d.Store.Account(t.Context(), name); err == nil {
		return
	}
	// A hash that costs little: the tests sign in often.
	hash, err := argon2id.CreateHash(password, &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
	if err != nil {
		t.Fatal(err)
	}
	account := store.Account{Name: name, FullName: people[name][0], Role: people[name][1], Authoriser: "Supt Gray", PasswordHash: hash}
	if err := d.Store.PutAccount(t.Context(), account); err != nil {
		t.Fatal(err)
	}
}

// person is a client with cookies that does what a form would.
type person struct {
	t      *testing.T
	desk   *desk
	name   string // who signed in
	client *http.Client
}

func (d *desk) person(t *testing.T) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := *d.server.Client()
	client.Jar = jar
	return &person{t, d, "", &client}
}

func (d *desk) signedIn(t *testing.T, name string) *person {
	t.Helper()
	d.add(t, name)
	b := d.person(t)
	status, page := b.post("/sign-in", "name", name, "password", password)
	if status != http.StatusOK || !strings.Contains(page, "Sign out") {
		t.Fatalf("%s cannot sign in: %d\n%s", name, status, page)
	}
	b.name = name
	return b
}

func (b *person) get(path string) (status int, page string) {
	b.t.Helper()
	answer, err := b.client.Get(b.desk.server.URL + path)
	return b.read(answer, err)
}

func (b *person) post(path string, fields ...string) (status int, page string) {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	answer, err := b.client.PostForm(b.desk.server.URL+path, form)
	return b.read(answer, err)
}

func (b *person) read(answer *http.Response, err error) (status int, page string) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		b.t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// lastLine gives the newest line of the access log.
func (d *desk) lastLine(t *testing.T) store.Access {
	t.Helper()
	lines, err := d.Store.AccessLog(t.Context(), 1, 10_000)
	if err != nil || len(lines) == 0 {
		t.Fatal(lines, err)
	}
	return lines[len(lines)-1]
}

// sighting is what a test's vehicle looks like.
type sighting struct {
	vrm       nrd.VRM
	direction nrd.Direction
	camera    string
	hits      []nrd.Hit
	change    func(*nrd.Record)
}

// record stores a record as ingest does, and shows it.
func (d *desk) record(t *testing.T, s sighting) nrd.Key {
	t.Helper()
	d.serial++
	now := d.clock.Now()
	r := &nrd.Record{
		Key:    nrd.Key{Device: "roadside-0001", Epoch: 0x5eed, Sequence: d.serial},
		Camera: nrd.Camera{Feed: 1, Source: 2, Camera: 3, Name: s.camera},
		Captured: nrd.Stamp{
			UTC: now.Add(-800 * time.Millisecond), Source: nrd.ClockNTP, Proved: true, ClockError: 3 * time.Millisecond, BootID: "b007", Monotonic: time.Hour,
		},
		Fix:       nrd.Fix{Source: nrd.FixStatic, Latitude: 51.5007, Longitude: -0.1246},
		Direction: s.direction,
		Read: nrd.Read{
			VRM: s.vrm, Raw: string(s.vrm), Confidence: 97, Characters: []int{99, 98, 97, 99, 96, 99, 98}, Syntax: "current",
			Alternatives: []nrd.Alternative{{VRM: "AB12CDF", Confidence: 2}}, Engine: "networks 1",
		},
		Passage:    nrd.Passage{FirstFrame: 100, LastFrame: 112, Frame: 107, Frames: 13, FirstSeen: now.Add(-time.Second), LastSeen: now.Add(-500 * time.Millisecond)},
		Plate:      nrd.Quad{{X: 10, Y: 10}, {X: 110, Y: 10}, {X: 110, Y: 32}, {X: 10, Y: 32}},
		FrameWidth: 1920, FrameHeight: 1080, Profile: nrd.DefaultProfile, Controller: "Example Constabulary", Software: "1.0", Hits: s.hits,
	}
	if s.change != nil {
		s.change(r)
	}
	d.insert(t, store.Item{
		Key: r.Key, Kind: store.KindRecord, Digest: [32]byte{byte(d.serial), 1}, Received: now, Record: r,
		PatchDigest: sha256.Sum256(patch(t).JPEG), OverviewDigest: sha256.Sum256(overview(t).JPEG),
	})
	d.Stored(store.StoredRecord{Record: *r, Received: now})
	return r.Key
}

// picture stores one picture of a record as ingest does, and shows it.
func (d *desk) picture(t *testing.T, key nrd.Key, kind nrd.ImageKind) {
	t.Helper()
	img, stored := overview(t), store.KindOverview
	if kind == nrd.ImagePatch {
		img, stored = patch(t), store.KindPatch
	}
	d.insert(t, store.Item{Key: key, Kind: stored, Digest: [32]byte{byte(key.Sequence), 2}, Received: d.clock.Now(), Image: img})
	d.ImageStored(key, kind)
}

func (d *desk) insert(t *testing.T, item store.Item) {
	t.Helper()
	results, err := d.Store.Insert(t.Context(), []store.Item{item})
	if err != nil || results[0].Outcome != store.Stored {
		t.Fatalf("not stored: %+v, %v", results, err)
	}
}

// patch is a picture of something like a plate, overview of a vehicle on a road.
func patch(t *testing.T) nrd.Image {
	return drawn(t, 120, 60, func(x, y int) color.RGBA {
		switch {
		case y < 14 || y > 45 || x < 6 || x > 113:
			return color.RGBA{30, 60, 120, 255}
		case x > 14 && x < 106 && y > 20 && y < 40 && (x-14)%13 < 5:
			return color.RGBA{25, 25, 25, 255}
		}
		return color.RGBA{250, 210, 30, 255}
	})
}

func overview(t *testing.T) nrd.Image {
	const w, h = 720, 405
	return drawn(t, w, h, func(x, y int) color.RGBA {
		switch {
		case x > 9*w/20 && x < 11*w/20 && y > 14*h/20 && y < 15*h/20:
			return color.RGBA{250, 210, 30, 255}
		case x > w/3 && x < 2*w/3 && y > h/3 && y < 5*h/6:
			return color.RGBA{30, 60, 120, 255}
		case y > h/2:
			return color.RGBA{60, 62, 66, 255}
		}
		return color.RGBA{uint8(90 + 60*(h-y)/h), uint8(110 + 50*(h-y)/h), uint8(130 + 60*(h-y)/h), 255}
	})
}

func drawn(t *testing.T, w, h int, colour func(x, y int) color.RGBA) nrd.Image {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, colour(x, y))
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 60}); err != nil {
		t.Fatal(err)
	}
	return nrd.Image{JPEG: b.Bytes(), Width: w, Height: h}
}

func hit(list string, priority nrd.Priority, age time.Duration, now time.Time) nrd.Hit {
	return nrd.Hit{
		Entry: nrd.Entry{
			List: list, VRM: "AB12CDE", Make: "FORD", Model: "FOCUS", Colour: "BLUE", Priority: priority, Action: "Stop",
			Markers: []string{"WE", "VI"}, Reason: "Stolen in a burglary", Information: "two occupants", Force: "Example", Reference: "R1", Marking: "OFFICIAL",
		},
		List:    nrd.ListVersion{List: list, Version: 4, Issued: now.Add(-age), Loaded: now.Add(-age + time.Minute), Entries: 1200},
		ListAge: age, Match: nrd.MatchExact,
	}
}
