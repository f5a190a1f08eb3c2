package fetch

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nrd"
	"nrd/collector/publish"
	"nrd/hotlist"
	"nrd/internal/clock"
	"nrd/internal/identity"
	"nrd/internal/sealed"
	"nrd/internal/trust"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Now().UTC().Truncate(time.Second)

// site is a real publisher behind real mutual TLS.
type site struct {
	*publish.Publisher
	t       testing.TB
	dir     string
	ca      *identity.Site
	clock   *clock.Manual
	address string
	devices atomic.Pointer[[]string]
	// between, where set, answers in the place of the publisher.
	between atomic.Pointer[http.Handler]
	notices atomic.Int64
}

func newSite(t testing.TB, devices ...string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), clock: proved(noon)}
	s.devices.Store(&devices)
	var err error
	s.ca, err = identity.NewSite(s.dir, s.clock)
	must(t, err)
	must(t, s.ca.IssueServer(s.dir, "central", []string{"127.0.0.1"}))
	must(t, trust.Init(s.file("trust"), 3, 2, s.ca.SignRoot, noon))
	s.open()
	s.serve()
	return s
}

// proved is a clock that NTP vouches for.
func proved(at time.Time) *clock.Manual {
	c := clock.NewManual(at)
	c.Prove(nrd.ClockNTP, 0)
	return c
}

func (s *site) file(name string) string { return filepath.Join(s.dir, name) }

// open is a start of central on what an earlier one has left.
func (s *site) open() {
	s.t.Helper()
	must(s.t, s.openIn(s.file("lists")))
}

// openIn is open with what is published in another folder.
func (s *site) openIn(dir string) error {
	s.t.Helper()
	signer, err := trust.OpenOnline(s.file("trust"))
	must(s.t, err)
	raw, err := os.ReadFile(s.file("master"))
	key := sealed.NewKey()
	if err == nil {
		key, err = sealed.ParseKey(raw)
		must(s.t, err)
	} else {
		must(s.t, os.WriteFile(s.file("master"), key.Bytes(), 0o600))
	}
	s.Publisher = &publish.Publisher{
		Dir: dir, Key: key, Signer: signer, Clock: s.clock, Log: slog.New(slog.DiscardHandler),
		Devices: func(context.Context) ([]string, error) { return *s.devices.Load(), nil },
		Admit:   func(context.Context, string, string) error { return nil },
		Notice:  func(number int64) { s.notices.Store(number) },
	}
	return s.Initialize(context.Background())
}

func (s *site) serve() {
	config, err := identity.ServerTLS(s.file("ca.pem"), s.file("central.pem"), s.file("central.key"))
	must(s.t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(s.t, err)
	server := &http.Server{TLSConfig: config, ReadHeaderTimeout: time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if h := s.between.Load(); h != nil {
				(*h).ServeHTTP(w, r)
				return
			}
			s.Handler().ServeHTTP(w, r)
		})}
	ended := make(chan error, 1)
	go func() { ended <- server.ServeTLS(l, "", "") }()
	s.t.Cleanup(func() {
		must(s.t, server.Close())
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			s.t.Error(err)
		}
	})
	s.address = "https://" + l.Addr().String() + publish.Path
}

// answers puts a handler between the units and the publisher.
func (s *site) answers(h http.HandlerFunc) {
	if h == nil {
		s.between.Store(nil)
		return
	}
	var handler http.Handler = h
	s.between.Store(&handler)
}

func (s *site) publish(name string, version uint64, entries ...nrd.Entry) {
	s.t.Helper()
	must(s.t, s.Publish(context.Background(), publish.List{Name: name, Version: version, Made: s.clock.Now(), Expires: s.clock.Now().Add(9 * time.Hour)}, all(entries)))
}

func all(entries []nrd.Entry) iter.Seq2[nrd.Entry, error] {
	return func(yield func(nrd.Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// car is a unit with a cache of its own.
type car struct {
	*Fetcher
	t          testing.TB
	site       *site
	name, dir  string
	key        *sealed.Key
	clock      *clock.Manual
	credential *identity.Credential
	own        map[string]bool
}

func (s *site) car(name string) *car {
	s.t.Helper()
	c := &car{t: s.t, site: s, name: name, dir: s.t.TempDir(), key: sealed.NewKey(), clock: proved(s.clock.Now()), own: map[string]bool{}}
	must(s.t, s.ca.IssueDevice(c.dir, name))
	ca, err := os.ReadFile(s.file("ca.pem"))
	must(s.t, err)
	must(s.t, os.WriteFile(c.file("ca.pem"), ca, 0o600))
	c.start()
	s.t.Cleanup(c.stop)
	return c
}

func (c *car) file(name string) string { return filepath.Join(c.dir, name) }

func (c *car) start() {
	c.t.Helper()
	var err error
	c.credential, err = identity.OpenCredential(identity.Files{CA: c.file("ca.pem"), Certificate: c.file(c.name + ".pem"), Key: c.file(c.name + ".key")}, c.key, c.clock)
	must(c.t, err)
	log := slog.New(slog.DiscardHandler)
	client := &trust.Client{
		Address: c.site.address, TLS: c.credential.TLS(), Device: c.name, Dir: c.file("trust"), Floors: c.file("floors"), Key: c.key,
		Reference: c.credential.Reference, Clock: c.clock, Log: log,
		Anchor: func(root, voucher []byte) error { return identity.VerifyRoot(c.credential.Authority(), root, voucher) },
	}
	must(c.t, client.Initialize())
	profile, err := nrd.LoadProfile(nrd.DefaultProfile)
	must(c.t, err)
	cache, err := hotlist.Open(hotlist.CacheConfig{Path: c.file("lists"), Key: c.key, Clock: c.clock, Log: log, Profile: profile})
	must(c.t, err)
	c.Fetcher = &Fetcher{Cache: cache, Trust: client, Own: func(name string) bool { return c.own[name] }, Log: log}
}

func (c *car) stop() {
	if c.Fetcher == nil {
		return
	}
	must(c.t, c.Cache.Close())
	c.Trust.Close()
	c.Fetcher = nil
}

// restart is a new start; meanwhile may change what is on the disk.
func (c *car) restart(meanwhile func()) {
	c.t.Helper()
	c.stop()
	meanwhile()
	c.start()
}

func (c *car) sync() Result {
	c.t.Helper()
	r, err := c.Sync(c.t.Context())
	must(c.t, err)
	return r
}

// has gives what the unit knows of a mark, as references, and the versions of its
// lists.
func (c *car) has(vrm nrd.VRM) string {
	c.t.Helper()
	hits, err := c.Cache.Match(vrm)
	must(c.t, err)
	var found []string
	for _, h := range hits {
		found = append(found, fmt.Sprintf("%s of %s %d", h.Entry.Reference, h.List.List, h.List.Version))
	}
	slices.Sort(found)
	return strings.Join(found, ", ")
}

func (c *car) want(vrm nrd.VRM, want string) {
	c.t.Helper()
	if got := c.has(vrm); got != want {
		c.t.Errorf("%s: got %q, want %q", vrm, got, want)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustFail(t testing.TB, err, want error, what string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func entry(vrm nrd.VRM, reference string) nrd.Entry {
	return nrd.Entry{VRM: vrm, Make: "FORD", Priority: nrd.PriorityHigh, Action: "High", Reason: "Stolen", Reference: reference}
}

// crowd is so many entries beside those that a test is about.
func crowd(n int, special ...nrd.Entry) []nrd.Entry {
	entries := slices.Clone(special)
	for i := range n {
		e := entry(nrd.VRM(fmt.Sprintf("CR%05d", i)), fmt.Sprintf("R%d", i))
		e.Information = fmt.Sprintf("%x", i*i*2654435761)
		entries = append(entries, e)
	}
	slices.SortStableFunc(entries, func(a, b nrd.Entry) int { return strings.Compare(string(a.VRM), string(b.VRM)) })
	return entries
}

func TestAUnitGetsItsListsAndTheirChanges(t *testing.T) {
	s := newSite(t, "car-1")
	c := s.car("car-1")
	s.publish("wanted", 3, crowd(2000, entry("AB12CDE", "one"), entry("XY12CDE", "gone"))...)
	if r := c.sync(); !slices.Equal(r.Loaded, []string{"wanted"}) {
		t.Errorf("%+v", r)
	}
	c.want("AB12CDE", "one of wanted 3")
	whole := c.sync()
	if len(whole.Loaded) != 0 || whole.Bytes != 0 {
		t.Errorf("nothing was new: %+v", whole)
	}
	s.publish("wanted", 4, crowd(2000, entry("AB12CDE", "two"), entry("AB12CDE", "one"))...)
	if r := c.sync(); r.Bytes == 0 || r.Bytes > 2000 {
		t.Errorf("a change of three lines took %d bytes", r.Bytes)
	}
	c.want("AB12CDE", "one of wanted 4, two of wanted 4")
	c.want("XY12CDE", "")
	c.restart(func() {})
	c.want("AB12CDE", "one of wanted 4, two of wanted 4")
	c.want("CR00007", "R7 of wanted 4")
	must(t, s.Withdraw(t.Context(), "wanted"))
	if r := c.sync(); !slices.Equal(r.Removed, []string{"wanted"}) {
		t.Errorf("%+v", r)
	}
	c.want("AB12CDE", "")
}

func TestAUnitThatWasAwayTakesTheChangesOneAfterTheOther(t *testing.T) {
	s := newSite(t, "car-1")
	c := s.car("car-1")
	s.publish("wanted", 1, crowd(3000)...)
	c.sync()
	for v := uint64(2); v <= 6; v++ {
		s.publish("wanted", v, crowd(3000, entry("AB12CDE", fmt.Sprint("version ", v)))...)
	}
	if r := c.sync(); r.Bytes > 4000 {
		t.Errorf("five small changes took %d bytes", r.Bytes)
	}
	c.want("AB12CDE", "version 6 of wanted 6")
	for v := uint64(7); v <= 30; v++ {
		s.publish("wanted", v, crowd(3000, entry("AB12CDE", fmt.Sprint("version ", v)))...)
	}
	if r := c.sync(); r.Bytes < 10_000 {
		t.Errorf("after 24 versions only a snapshot can help, and %d bytes came", r.Bytes)
	}
	c.want("AB12CDE", "version 30 of wanted 30")
}

func TestADeviceGetsWhatItMayHaveAndNothingElse(t *testing.T) {
	s := newSite(t, "car-1", "car-2")
	one, two := s.car("car-1"), s.car("car-2")
	must(t, s.Publish(t.Context(), publish.List{Name: "local", Version: 1, Made: noon, Recipients: []string{"car-1"}}, all(crowd(10, entry("AB12CDE", "R1")))))
	must(t, s.Publish(t.Context(), publish.List{Name: "nobody's", Version: 1, Made: noon, Recipients: []string{}}, all(crowd(10, entry("AB12CDE", "R2")))))
	one.sync()
	two.sync()
	one.want("AB12CDE", "R1 of local 1")
	two.want("AB12CDE", "")
	stranger := s.car("car-3")
	_, err := stranger.Sync(t.Context())
	mustFail(t, err, trust.ErrRefused, "a device that is not approved")
	s.devices.Store(&[]string{"car-1", "car-2", "car-3"})
	stranger.sync()
	s.devices.Store(&[]string{"car-2", "car-3"})
	_, err = one.Sync(t.Context())
	mustFail(t, err, trust.ErrRefused, "a device that was revoked")
}

func TestAListOfStatusesAndOneThatIsMatchedNearlyComeAsCentralKeepsThem(t *testing.T) {
	s := newSite(t, "car-1")
	c := s.car("car-1")
	must(t, s.Publish(t.Context(), publish.List{Name: "uninsured", Version: 1, Made: noon, Status: true}, all(statuses("AB12CDE", "CD12CDE"))))
	must(t, s.Publish(t.Context(), publish.List{Name: "local", Version: 1, Made: noon, Near: true}, all([]nrd.Entry{entry("A812XYZ", "near")})))
	c.sync()
	c.want("CD12CDE", " of uninsured 1")
	c.want("AB12XYZ", "near of local 1")
	must(t, s.Publish(t.Context(), publish.List{Name: "uninsured", Version: 2, Made: noon, Status: true}, all(statuses("AB12CDE"))))
	must(t, s.Publish(t.Context(), publish.List{Name: "local", Version: 2, Made: noon}, all([]nrd.Entry{entry("A812XYZ", "near")})))
	c.sync()
	c.want("CD12CDE", "")
	c.want("AB12CDE", " of uninsured 2")
	c.want("AB12XYZ", "")
}

func statuses(marks ...nrd.VRM) []nrd.Entry {
	var entries []nrd.Entry
	for _, v := range marks {
		entries = append(entries, nrd.Entry{VRM: v, Priority: nrd.PriorityLow, Action: "Low", Reason: "No insurance"})
	}
	return entries
}

func TestAListWithAFileOnTheUnitIsNotCentrals(t *testing.T) {
	s := newSite(t, "car-1")
	c := s.car("car-1")
	file := filepath.Join(t.TempDir(), "wanted.csv")
	must(t, os.WriteFile(file, []byte("AB12CDE,,,,High,,,,,,,,,,,own\n"), 0o600))
	if _, err := c.Cache.Import(t.Context(), "wanted", file); err != nil {
		t.Fatal(err)
	}
	c.own["wanted"] = true
	s.publish("wanted", 7, entry("AB12CDE", "central's"))
	c.sync()
	c.want("AB12CDE", "own of wanted 1")
	must(t, s.Withdraw(t.Context(), "wanted"))
	c.sync()
	c.want("AB12CDE", "own of wanted 1")
}
