package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nrd/collector"
	"nrd/internal/clock"
	"nrd/internal/identity"
	"nrd/internal/sealed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	footage = "../../testdata/photographs"
	officer = "officer.one"
	ourUnit = "unit-1"
	camera1 = "A1 test"
)

// site is a whole site in a folder of its own: a real central with its broker,
// its store and its page, and what a unit needs to speak to it.
type site struct {
	t       testing.TB
	dir     string
	config  *collector.Config
	devices string // the address for devices
	fleet   string // where they enrol
	lists   string // where they get lists
	stop    func()
	// log is central's, nil for none.
	log slog.Handler
}

// newSite makes a site with one approved unit and starts central.
func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{t: t, dir: filepath.Join(t.TempDir(), "site")}
	must(t, collector.InitSite(collector.NewSite{
		Dir: s.dir, Hosts: []string{"localhost", "127.0.0.1"},
		Ingest: "127.0.0.1:0", Page: "127.0.0.1:0",
	}))
	ca, err := identity.OpenSite(s.dir, clock.System())
	must(t, err)
	for _, name := range []string{ourUnit, "unit-2"} {
		dir := filepath.Join(s.dir, "devices", name)
		must(t, os.MkdirAll(dir, 0o700))
		must(t, errors.Join(ca.IssueDevice(dir, name), os.Symlink("../../ca.pem", filepath.Join(dir, "ca.pem"))))
	}
	s.config, err = collector.LoadConfig(filepath.Join(s.dir, "central.toml"))
	must(t, err)
	s.start()
	s.desk(func(ctx context.Context, d *collector.Desk) {
		must(t, d.AddUser(ctx, collector.NewUser{Name: officer, FullName: "Officer One", Role: "anpr-manager", Authoriser: "Supt Two", Password: "correct horse battery"}))
		must(t, d.ApproveDevice(ctx, collector.Approval{Device: ourUnit, By: "ACC Three", Reference: "DPIA 1"}))
	})
	return s
}

// start runs central until the test ends or stop is called.
func (s *site) start() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	if s.log == nil {
		s.log = slog.DiscardHandler
	}
	central := &collector.Central{Config: s.config, Log: slog.New(s.log), OnReady: func(_, devices net.Addr) { ready <- devices.String() }}
	go func() { ended <- central.Run(ctx) }()
	var once sync.Once
	s.stop = func() {
		once.Do(func() {
			cancel()
			must(s.t, <-ended)
		})
	}
	s.t.Cleanup(s.stop)
	select {
	case s.devices = <-ready:
		s.fleet, s.lists = "https://"+central.Fleet().String(), central.Lists().String()
	case err := <-ended:
		s.t.Fatalf("central ended: %v", err)
	}
}

// desk does something with central's command line, as the officer.
func (s *site) desk(do func(ctx context.Context, d *collector.Desk)) {
	s.t.Helper()
	ctx := context.Background()
	d, err := collector.OpenDesk(ctx, s.config, officer, slog.New(slog.DiscardHandler))
	must(s.t, err)
	do(ctx, d)
	must(s.t, d.Close())
}

// found is everything that central holds, by its mark.
func (s *site) found() map[string]collector.Found {
	s.t.Helper()
	by := map[string]collector.Found{}
	s.desk(func(ctx context.Context, d *collector.Desk) {
		found, err := d.Search(ctx, collector.Enquiry{Reason: "test of the whole way", Limit: 1000})
		must(s.t, err)
		for _, f := range found {
			by[f.VRM] = f
		}
	})
	return by
}

// unit writes the configuration of a unit, its keys beside it, and loads it.
// replace holds pairs of old and new text.
func (s *site) unit(replace ...string) *Config {
	s.t.Helper()
	dir := s.t.TempDir()
	pictures, err := filepath.Abs(footage)
	must(s.t, err)
	_, err = sealed.CreateKey(filepath.Join(dir, "storage.key"))
	must(s.t, err)
	device := filepath.Join(s.dir, "devices", ourUnit)
	text := strings.NewReplacer(replace...).Replace(fmt.Sprintf(`
device = %q
controller = "Test Constabulary"
data = "data"
key = "storage.key"
[[camera]]
footage = %q
name = %q
[position]
latitude = 51.5
longitude = -0.1
[[list]]
name = "local"
file = "local.dat"
[central]
broker = "tls://%s"
ca = "%s/ca.pem"
certificate = "%s/%s.pem"
key = "%s/%s.key"
`, ourUnit, pictures, camera1, s.devices, device, device, ourUnit, device, ourUnit))
	file := filepath.Join(dir, "nrd-agent.toml")
	must(s.t, os.WriteFile(file, []byte(text), 0o600))
	c, err := LoadConfig(file)
	must(s.t, err)
	return c
}

// list puts a list file beside the unit's configuration.
func list(t testing.TB, c *Config, lines ...string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(filepath.Dir(c.file), "local.dat"), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
}

// entry is a line of a list file.
func entry(vrm, priority, reference string) string {
	return vrm + ",FORD,FOCUS,BLUE," + priority + ",,Stolen,B22,Stop,Test,2039-12-31,,OFFICIAL,,," + reference
}

func newAgent(t testing.TB, c *Config, follow func(Happening)) *Agent {
	t.Helper()
	return &Agent{Config: c, Clock: clock.System(), Log: slog.New(slog.DiscardHandler), Software: "test", Follow: follow}
}

// within bounds a step of a test that would otherwise hang.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
