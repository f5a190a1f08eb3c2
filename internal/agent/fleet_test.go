package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nrd"
	"nrd/collector"
	"nrd/internal/clock"
	"nrd/internal/config"
	"nrd/internal/identity"
	"nrd/internal/sealed"
	"nrd/uplink/wire"
)

// enrolled is a unit that was enrolled at a site; its one camera gives nothing.
type enrolled struct {
	t    testing.TB
	site *site
	name string
	dir  string
	// base is its configuration file as LoadConfig reads it.
	file string
}

func (s *site) enrol(name string) *enrolled {
	s.t.Helper()
	dir := s.t.TempDir()
	return s.enrolIn(name, dir, filepath.Join(dir, "storage.key"))
}

// enrolIn enrols a unit in a folder, with its storage key at a place.
func (s *site) enrolIn(name, dir, keyFile string) *enrolled {
	s.t.Helper()
	u := &enrolled{t: s.t, site: s, name: name, dir: dir}
	var e collector.Enrolment
	s.desk(func(ctx context.Context, d *collector.Desk) {
		var err error
		e, err = d.EnrolDevice(ctx, collector.Approval{Device: name, By: "ACC Three", Reference: "DPIA 1"})
		must(s.t, err)
	})
	token, err := identity.ParseToken(e.Token)
	must(s.t, err)
	key, err := sealed.CreateKey(keyFile)
	must(s.t, err)
	must(s.t, identity.Enrol(s.t.Context(), s.fleet, token, filepath.Join(u.dir, "identity"), key, clock.System()))
	u.file = filepath.Join(u.dir, "nrd-agent.toml")
	must(s.t, os.WriteFile(u.file, []byte(fmt.Sprintf(`
device = %q
controller = "Test Constabulary"
data = "data"
key = %q
[[camera]]
footage = "rtsp://127.0.0.1:9/none"
[[list]]
name = "local"
file = "local.dat"
[central]
broker = "tls://%s"
https = %q
ca = "identity/ca.pem"
certificate = "identity/device.pem"
`, name, keyFile, s.devices, s.fleet)), 0o600))
	must(s.t, os.WriteFile(filepath.Join(u.dir, "local.dat"), []byte(entry("AB12CDE", "HIGH", "1")+"\n"), 0o600))
	return u
}

// run starts the agent; ended gives how it ended.
func (u *enrolled) run(patience time.Duration) (a *Agent, ended chan error) {
	u.t.Helper()
	c, err := LoadConfig(u.file)
	must(u.t, err)
	a = newAgent(u.t, c, nil)
	a.patience = patience
	ctx, cancel := context.WithCancel(context.Background())
	ended = make(chan error, 1)
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, err := a.Run(ctx)
		ended <- err
	}()
	u.t.Cleanup(func() {
		cancel()
		<-over
	})
	return a, ended
}

// ends waits for the agent's own end.
func (u *enrolled) ends(ended chan error, want error) {
	u.t.Helper()
	select {
	case err := <-ended:
		if !errors.Is(err, want) {
			u.t.Fatalf("the agent ended with %v, want %v", err, want)
		}
	case <-time.After(time.Minute):
		u.t.Fatalf("the agent goes on; central shows %+v", u.shown())
	}
}

// shown is what central shows of the unit.
func (u *enrolled) shown() collector.DeviceState {
	u.t.Helper()
	var found collector.DeviceState
	u.site.desk(func(ctx context.Context, d *collector.Desk) {
		devices, err := d.Devices(ctx)
		must(u.t, err)
		for _, v := range devices {
			if v.Name == u.name {
				found = v
			}
		}
	})
	return found
}

func (u *enrolled) until(what string, holds func(collector.DeviceState) bool) {
	u.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if holds(u.shown()) {
			return
		}
	}
	u.t.Fatalf("waited in vain until %s; central shows %+v", what, u.shown())
}

func (u *enrolled) configure(toml string) {
	u.t.Helper()
	u.site.desk(func(ctx context.Context, d *collector.Desk) { must(u.t, d.ConfigureDevice(ctx, u.name, toml)) })
}

func seen(d collector.DeviceState) bool { return d.LastSeen != nil }

func TestAConfigurationFromCentralIsTriedKeptAndRolledBackWhenCentralCannotBeReached(t *testing.T) {
	u := newSite(t).enrol("car-9")
	_, ended := u.run(0)
	u.until("the unit is seen", seen)

	u.configure("deployment = \"2026/11/23-0417\"\n[buffer]\nmax_bytes = \"1GB\"")
	u.ends(ended, ErrRestart)
	a, ended := u.run(0)
	u.until("it is in force", func(d collector.DeviceState) bool { return d.Configuration == "1: in force" })
	if c := a.Config; c.Deployment != "2026/11/23-0417" || c.Buffer.MaxBytes != 1e9 || c.Buffer.MaxAge == 0 || c.Controller != "Test Constabulary" || len(c.Cameras) != 1 {
		t.Errorf("in use is %+v", c)
	}

	u.configure(`central.broker = "tls://127.0.0.1:9"`)
	u.ends(ended, ErrRestart)
	a, ended = u.run(time.Second)
	u.ends(ended, ErrRestart)
	if a.Config.Central.Broker != "tls://127.0.0.1:9" {
		t.Errorf("the trial went to %s", a.Config.Central.Broker)
	}
	a, ended = u.run(0)
	u.until("it is rolled back", func(d collector.DeviceState) bool { return d.Configuration == "2: rolled back" })
	if c := a.Config; c.Central.Broker != "tls://"+u.site.devices || c.Deployment != "2026/11/23-0417" {
		t.Errorf("rolled back to %+v", c)
	}
	if d := u.shown(); !strings.Contains(strings.Join(d.Problems, " "), "central was not reached with it within 1s") {
		t.Errorf("central does not say why: %q", d.Problems)
	}

	u.configure("[[camera]]\nname = \"without footage\"")
	u.until("it is refused", func(d collector.DeviceState) bool { return d.Configuration == "3: refused" })
	if d := u.shown(); !strings.Contains(strings.Join(d.Problems, " "), "camera[0].footage: is missing") {
		t.Errorf("central does not say why: %q", d.Problems)
	}
	select {
	case err := <-ended:
		t.Errorf("the unit ended over settings that it refused: %v", err)
	default:
	}
}

func TestARevokedUnitIsCutOffWithinSeconds(t *testing.T) {
	u := newSite(t).enrol("car-9")
	a, _ := u.run(0)
	u.until("the unit is seen", seen)
	u.site.desk(func(ctx context.Context, d *collector.Desk) { must(t, d.RevokeDevice(ctx, u.name, "sold")) })
	began := time.Now()
	for len(a.client.Problems()) == 0 {
		if time.Since(began) > 20*time.Second {
			t.Fatal("a revoked unit stays connected")
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Logf("cut off after %s", time.Since(began).Round(10*time.Millisecond))
}

func TestACertificateThatIsDueIsRenewedByTheUnitItself(t *testing.T) {
	s := newSite(t)
	u := s.enrol("car-9")
	before := u.certificate()
	c, err := LoadConfig(u.file)
	must(t, err)
	a := newAgent(t, c, nil)
	a.Clock = clock.NewManual(time.Now().AddDate(0, 0, 300))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		_, err := a.Run(ctx)
		ended <- err
	}()
	for end := time.Now().Add(time.Minute); bytes.Equal(u.certificate(), before); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the certificate stays the same")
		}
	}
	cancel()
	must(t, <-ended)
	_, _ = u.run(0)
	u.until("the unit comes with the new one", func(d collector.DeviceState) bool { return seen(d) && d.State == "problems" || d.State == "reporting" })
}

func (u *enrolled) certificate() []byte {
	u.t.Helper()
	text, err := os.ReadFile(filepath.Join(u.dir, "identity", identity.DeviceFile))
	must(u.t, err)
	return text
}

// order is an order of the site's issuer, however wrong.
func order(t *testing.T, dir string, o *wire.Order) *wire.Signed {
	t.Helper()
	issuer, err := identity.OpenIssuer(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "issuer.pem"), filepath.Join(dir, "issuer.key"), clock.System())
	must(t, err)
	content, err := wire.Marshal(o)
	must(t, err)
	signature, certificate, err := issuer.Sign(content)
	must(t, err)
	return &wire.Signed{Order: content, Signature: signature, Certificate: certificate}
}

func TestAnOrderThatIsForgedForAnotherOrOldDoesNothing(t *testing.T) {
	s := newSite(t)
	u := s.enrol("car-9")
	c, err := LoadConfig(u.file)
	must(t, err)
	a := newAgent(t, c, nil)
	a.tally = newTally(a.Clock, nil, MatchConfig{})
	must(t, a.open())
	defer func() { must(t, a.close()) }()
	stopped := false
	a.stop = func(error) { stopped = true }
	must(t, a.pushed.refuse(5, "the fifth order was obeyed"))

	enrolment := a.credential.Enrolment()
	wipe := func(device, enrolment string, number uint64) *wire.Order {
		return &wire.Order{Device: device, Enrolment: enrolment, Number: number, What: &wire.Order_Wipe{Wipe: &wire.Wipe{Reason: "x"}}}
	}
	good := order(t, s.dir, wipe("car-9", enrolment, 6))
	changed := order(t, s.dir, wipe("car-9", enrolment, 6))
	changed.Order = append(changed.Order, 0x18, 0x07)
	other := t.TempDir()
	site, err := identity.NewSite(other, clock.System())
	must(t, err)
	must(t, site.IssueIssuer(other))
	unsigned := &wire.Signed{Order: good.Order}
	device := order(t, s.dir, wipe("car-9", enrolment, 6))
	device.Certificate = a.credential.Leaf().Raw // a device may not order another
	for name, o := range map[string]*wire.Signed{
		"changed on the way":           changed,
		"of another site":              order(t, other, wipe("car-9", enrolment, 6)),
		"not signed":                   unsigned,
		"signed as a device":           device,
		"for another device":           order(t, s.dir, wipe("car-8", enrolment, 6)),
		"for an earlier enrolment":     order(t, s.dir, wipe("car-9", "before", 6)),
		"without a number":             order(t, s.dir, wipe("car-9", enrolment, 0)),
		"of a kind that is not known":  order(t, s.dir, &wire.Order{Device: "car-9", Enrolment: enrolment, Number: 6}),
		"older than the last obeyed":   order(t, s.dir, &wire.Order{Device: "car-9", Enrolment: enrolment, Number: 4, What: &wire.Order_Configure{Configure: &wire.Configure{Toml: `deployment = "x"`}}}),
		"a wipe before what came last": order(t, s.dir, wipe("car-9", enrolment, 5)),
	} {
		if err := a.do(o); err == nil {
			t.Errorf("an order %s was obeyed", name)
		}
	}
	if stopped || a.wiped.Load() != 0 {
		t.Error("something was done all the same")
	}
	if _, err := identity.OpenCredential(c.Central.files(), a.mustKey(t), a.Clock); err != nil {
		t.Errorf("the identity is gone: %v", err)
	}
	must(t, a.do(good))
	if !stopped || a.wiped.Load() != 6 {
		t.Error("the order itself does nothing")
	}
}

func (a *Agent) mustKey(t *testing.T) *sealed.Key {
	t.Helper()
	key, err := a.Config.storageKey()
	must(t, err)
	return key
}

func TestATrialThatEndsTheUnitEachTimeIsRolledBack(t *testing.T) {
	dir := t.TempDir()
	key := sealed.NewKey()
	base := &Config{Device: "car-9", Controller: "X", Key: "k", Profile: nrd.DefaultProfile, Data: dir, Recognise: RecogniseConfig{Engine: "networks"},
		Cameras: []CameraConfig{{Footage: "rtsp://x", Name: "one"}}, Central: CentralConfig{Broker: "tls://x:1", CA: "c", Certificate: "d"}, Buffer: BufferConfig{MaxBytes: 1e9, MaxAge: config.Duration(time.Hour)},
		Match: MatchConfig{NearLimit: 1, AgainAfter: config.Duration(time.Minute), AgainMetres: 100}}
	open := func() (*pushed, *Config) {
		p, err := openPushed(base.pushedFile(), key)
		must(t, err)
		c, err := p.inForce(base, newAgent(t, base, nil).Log)
		must(t, err)
		return p, c
	}
	p, _ := open()
	must(t, p.try(1, `deployment = "first"`))
	must(t, p.confirm())
	must(t, p.try(2, `deployment = "second"`))
	for start := range trialStarts {
		if p, c := open(); c.Deployment != "second" || !p.onTrial() {
			t.Fatalf("start %d: %q, %+v", start+1, c.Deployment, p.status())
		}
	}
	p, c := open()
	if c.Deployment != "first" || p.status().State != nrd.ConfigurationRolledBack || p.status().Order != 2 {
		t.Errorf("after that: %q, %+v", c.Deployment, p.status())
	}
	text, err := os.ReadFile(base.pushedFile())
	must(t, err)
	if bytes.Contains(text, []byte("first")) {
		t.Error("the settings are kept in clear")
	}
	must(t, os.WriteFile(base.pushedFile(), []byte("damaged"), 0o600))
	if p, c := open(); c.Deployment != "" || p.status().Order != 0 {
		t.Errorf("a damaged file: %q, %+v; want the unit's own settings", c.Deployment, p.status())
	}
}

func TestAUnitWhoseIssuerWasTakenBackGetsACertificateOfTheNewOne(t *testing.T) {
	s := newSite(t)
	u := s.enrol("car-9")
	issuerOf := func() string {
		t.Helper()
		c, err := LoadConfig(u.file)
		must(t, err)
		key, err := sealed.LoadKey(filepath.Join(u.dir, "storage.key"))
		must(t, err)
		credential, err := identity.OpenCredential(c.Central.files(), key, clock.System())
		must(t, err)
		return fmt.Sprintf("%x", credential.Leaf().AuthorityKeyId)
	}
	before := issuerOf()
	devices, fleet := s.devices, s.fleet
	s.stop()
	must(t, collector.ReplaceIssuer(s.dir))
	s.start()
	text, err := os.ReadFile(u.file)
	must(t, err)
	must(t, os.WriteFile(u.file, []byte(strings.NewReplacer(devices, s.devices, fleet, s.fleet).Replace(string(text))), 0o600))
	u.run(0)
	for end := time.Now().Add(time.Minute); issuerOf() == before; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the unit's certificate is still the old issuer's")
		}
	}
	u.until("it is seen with the new certificate", seen)
}
