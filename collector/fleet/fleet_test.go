package fleet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nrd/collector/access"
	"nrd/collector/store"
	"nrd/collector/store/sqlite"
	"nrd/internal/clock"
	"nrd/internal/identity"
	"nrd/internal/limit"
	"nrd/internal/sealed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var jane = access.By{Account: "jane.doe", From: "command line"}

// site is a fleet over a real store that answers over real HTTPS.
type site struct {
	*Fleet
	t       *testing.T
	dir     string
	clock   *clock.Manual
	address string
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), clock: clock.NewManual(time.Now())}
	ca, err := identity.NewSite(s.dir, s.clock)
	must(t, err)
	must(t, ca.IssueServer(s.dir, "central", []string{"127.0.0.1"}))
	must(t, ca.IssueIssuer(s.dir))
	st, err := sqlite.Open(sqlite.Config{Dir: t.TempDir(), Key: sealed.NewKey(), Clock: s.clock})
	must(t, err)
	t.Cleanup(func() { must(t, st.Close()) })
	for name, role := range map[string]string{"jane.doe": "anpr-manager", "sam.hill": "officer", "ros.kerr": "control-room", "ivy.tan": "it"} {
		must(t, st.PutAccount(t.Context(), store.Account{Name: name, FullName: "A Person", Role: role, Authoriser: "Supt Gray"}))
	}
	log := slog.New(slog.DiscardHandler)
	door := &access.Service{Store: st, Clock: s.clock, Log: log, Idle: time.Hour, Absolute: time.Hour}
	must(t, door.Initialize())
	issuer, err := identity.OpenIssuer(s.file("ca.pem"), s.file("issuer.pem"), s.file("issuer.key"), s.clock)
	must(t, err)
	revoked, err := os.ReadFile(s.file(identity.RevokedFile))
	must(t, err)
	s.Fleet = &Fleet{Store: st, Access: door, Issuer: issuer, RevokedIssuers: revoked, ReviewDays: 365, Clock: s.clock, Log: log}
	s.serve()
	return s
}

func (s *site) file(name string) string { return filepath.Join(s.dir, name) }

func (s *site) serve() {
	s.t.Helper()
	config, err := identity.ServiceTLS(s.file("ca.pem"), s.file("central.pem"), s.file("central.key"))
	must(s.t, err)
	config.Time = s.clock.Now
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(s.t, err)
	server := &http.Server{Handler: s.Service(), TLSConfig: config, ReadHeaderTimeout: time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
	ended := make(chan error, 1)
	limited := limit.Listener(server, l, MaxConnections, limit.Certified)
	go func() { ended <- server.ServeTLS(limited, "", "") }()
	s.t.Cleanup(func() {
		must(s.t, server.Close())
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			s.t.Error(err)
		}
	})
	s.address = "https://" + l.Addr().String()
}

func (s *site) approval(device string) Approval {
	return Approval{Device: device, By: "ACC Stone", Reference: "DPIA 2026/7"}
}

// token makes a token for a device.
func (s *site) token(device string) identity.Token {
	s.t.Helper()
	token, err := s.Enrol(s.t.Context(), jane, s.approval(device))
	must(s.t, err)
	return token
}

// unit is a device with an identity of its own.
type unit struct {
	*identity.Credential
	dir     string
	storage *sealed.Key
	clock   *clock.Manual
}

func (u *unit) files() identity.Files {
	return identity.Files{CA: filepath.Join(u.dir, identity.CAFile), Certificate: filepath.Join(u.dir, identity.DeviceFile)}
}

func (s *site) enrol(token identity.Token) (*unit, error) {
	s.t.Helper()
	u := &unit{dir: filepath.Join(s.t.TempDir(), "identity"), storage: sealed.NewKey(), clock: clock.NewManual(s.clock.Now())}
	if err := identity.Enrol(s.t.Context(), s.address, token, u.dir, u.storage, u.clock); err != nil {
		return nil, err
	}
	var err error
	u.Credential, err = identity.OpenCredential(u.files(), u.storage, u.clock)
	must(s.t, err)
	return u, nil
}

// enrolled is a unit of that name.
func (s *site) unit(device string) *unit {
	s.t.Helper()
	u, err := s.enrol(s.token(device))
	must(s.t, err)
	return u
}

// arrives is what the door says to the unit's certificate.
func (s *site) arrives(u *unit) error {
	return s.Admit(context.Background(), u.Device(), shown(u.Leaf()))
}

// shown is a certificate as the door sees it.
func shown(leaf *x509.Certificate) string {
	return identity.Fingerprint(tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{leaf}}})
}

func (s *site) device(name string) store.Device {
	s.t.Helper()
	d, err := s.Store.Device(context.Background(), name)
	must(s.t, err)
	return d
}

// lastLine is the newest line of the access log.
func (s *site) lastLine() store.Access {
	s.t.Helper()
	lines, err := s.Store.AccessLog(context.Background(), 1, 1000)
	must(s.t, err)
	return lines[len(lines)-1]
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAUnitTurnsItsTokenIntoAnIdentity(t *testing.T) {
	s := newSite(t)
	u := s.unit("car-7")
	if u.Device() != "car-7" || u.Enrolment() == "" {
		t.Errorf("the certificate is for %q, enrolment %q", u.Device(), u.Enrolment())
	}
	text, err := os.ReadFile(filepath.Join(u.dir, identity.DeviceFile))
	must(t, err)
	if info, err := os.Stat(filepath.Join(u.dir, identity.DeviceFile)); err != nil || info.Mode().Perm() != 0o600 || strings.Contains(string(text), "BEGIN PRIVATE KEY") {
		t.Errorf("mode %v, %v; the key must be sealed:\n%s", info.Mode(), err, text)
	}
	d := s.device("car-7")
	if d.ApprovedBy != "ACC Stone" || d.Reference != "DPIA 2026/7" || !d.Review.Equal(s.clock.Now().AddDate(0, 0, 365)) || d.Token != (store.Token{}) {
		t.Errorf("central holds %+v", d)
	}
	if err := s.arrives(u); err != nil {
		t.Errorf("at the door: %v", err)
	}
	if line := s.lastLine(); line.Account != "device car-7" || line.Action != "device enrolled" || line.From != "127.0.0.1" {
		t.Errorf("the log says %+v", line)
	}
}

func TestATokenIsGoodOnceForItsDeviceForAnHour(t *testing.T) {
	s := newSite(t)
	used, replaced, late := s.token("car-1"), s.token("car-2"), s.token("car-3")
	if _, err := s.enrol(used); err != nil {
		t.Fatal(err)
	}
	again := s.token("car-2")
	another := again
	another.Device = "car-1"
	unknown := identity.NewToken("car-9", s.Issuer.CA())
	guessed := identity.NewToken("car-2", s.Issuer.CA())
	s.clock.Advance(TokenLife - time.Second)
	for name, token := range map[string]identity.Token{
		"used before": used, "replaced by a newer one": replaced, "carried to another device": another, "of a device nobody knows": unknown, "made up": guessed,
	} {
		if _, err := s.enrol(token); !errors.Is(err, identity.ErrRefused) || !strings.Contains(err.Error(), ErrToken.Error()) {
			t.Errorf("a token %s: %v", name, err)
		}
	}
	if _, err := s.enrol(again); err != nil {
		t.Errorf("the newer token: %v", err)
	}
	s.clock.Advance(time.Second)
	if _, err := s.enrol(late); !errors.Is(err, identity.ErrRefused) {
		t.Errorf("a token an hour later: %v", err)
	}
}

func TestATokenIsKeptAsADigestAndNeverPrintedInPassing(t *testing.T) {
	s := newSite(t)
	token := s.token("car-7")
	secret := strings.TrimPrefix(token.Text(), "car-7.")
	d := s.device("car-7")
	if printed := fmt.Sprintf("%v %+v %#v %s", token, token, token, s.lastLine().Subject); strings.Contains(printed, secret) || strings.Contains(printed, fmt.Sprint(token.Secret)) {
		t.Errorf("printed: %s", printed)
	}
	if d.Token.Digest == [32]byte{} || strings.Contains(fmt.Sprintf("%+v %x", d, d.Token.Digest), fmt.Sprintf("%x", token.Secret)) {
		t.Error("the secret is in the store")
	}
}

func TestNoDeviceHasTheNameOfANationalService(t *testing.T) {
	s := newSite(t)
	for _, name := range []string{"nas", "nas-1", "nas2", "nads", "national", "national-feed", "pnc-gateway", "leds", "home-office", "homeoffice"} {
		if _, err := s.Enrol(t.Context(), jane, s.approval(name)); !errors.Is(err, ErrApproval) || !strings.Contains(err.Error(), "national service") {
			t.Errorf("%s is enrolled: %v", name, err)
		}
		if err := s.Approve(t.Context(), jane, s.approval(name)); !errors.Is(err, ErrApproval) {
			t.Errorf("%s is approved: %v", name, err)
		}
	}
	if known, err := s.Store.Devices(t.Context()); err != nil || len(known) != 0 {
		t.Errorf("devices %+v, %v", known, err)
	}
	for _, name := range []string{"nasmyth-road-1", "nationalist-3", "ledsham", "car-nas", "pncx"} {
		must(t, s.Approve(t.Context(), jane, s.approval(name)))
	}
}

func TestEnrolmentNeedsItsRightAndItsApproval(t *testing.T) {
	s := newSite(t)
	for name, a := range map[string]Approval{
		"no approver":  {Device: "car-7", Reference: "DPIA"},
		"no reference": {Device: "car-7", By: "ACC Stone", Reference: "-"},
		"a bad name":   {Device: "../unit", By: "ACC Stone", Reference: "DPIA"},
	} {
		if _, err := s.Enrol(t.Context(), jane, a); !errors.Is(err, ErrApproval) {
			t.Errorf("%s: %v", name, err)
		}
		if err := s.Approve(t.Context(), jane, a); !errors.Is(err, ErrApproval) {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, s.Approve(t.Context(), jane, s.approval("car-7")))
	toml := `profile = "nasple-2.4"`
	for account, may := range map[string]string{"jane.doe": "enrol approve revoke wipe configure", "ros.kerr": "revoke wipe", "ivy.tan": "configure", "sam.hill": ""} {
		by := access.By{Account: account}
		_, enrol := s.Enrol(t.Context(), by, s.approval("car-8"))
		for what, err := range map[string]error{
			"enrol": enrol, "approve": s.Approve(t.Context(), by, s.approval("car-8")), "configure": s.Configure(t.Context(), by, "car-7", toml),
			"revoke": s.Revoke(t.Context(), by, "no-such", "lost"), "wipe": s.Wipe(t.Context(), by, "no-such", "lost"),
		} {
			if denied := errors.Is(err, access.ErrDenied); denied == strings.Contains(may, what) {
				t.Errorf("%s may %q, and %s gave %v", account, may, what, err)
			}
		}
	}
	for what, err := range map[string]error{"revoke": s.Revoke(t.Context(), jane, "car-7", ""), "wipe": s.Wipe(t.Context(), jane, "car-7", " ")} {
		if !errors.Is(err, access.ErrReason) {
			t.Errorf("%s without a reason: %v", what, err)
		}
	}
	if d := s.device("car-7"); !d.Revoked.IsZero() || d.Wipe.Number != 0 {
		t.Errorf("refused, and done: %+v", d)
	}
}

func TestACertificateIsRenewedAndTheOldOneGivenUpOnceTheNewOneWasSeen(t *testing.T) {
	s := newSite(t)
	u := s.unit("car-7")
	before := u.Leaf()
	if u.Due() {
		t.Error("a new certificate is due for renewal")
	}
	u.clock.Advance(250 * 24 * time.Hour)
	s.clock.Advance(250 * 24 * time.Hour)
	if !u.Due() {
		t.Error("a certificate with less than a third of its life left is not due")
	}
	must(t, u.Renew(t.Context(), s.address))
	after := u.Leaf()
	if after.SerialNumber.Cmp(before.SerialNumber) == 0 || !after.NotAfter.After(before.NotAfter) || fmt.Sprint(after.PublicKey) == fmt.Sprint(before.PublicKey) || u.Enrolment() != before.Subject.SerialNumber {
		t.Errorf("renewed from %s to %s, key %v to %v", before.NotAfter, after.NotAfter, before.PublicKey, after.PublicKey)
	}
	if err := s.Admit(t.Context(), "car-7", shown(before)); err != nil {
		t.Errorf("the old one, before the new one was seen: %v", err)
	}
	if err := s.arrives(u); err != nil {
		t.Errorf("the new one: %v", err)
	}
	if d := s.device("car-7"); Copied(d, s.clock.Now()) {
		t.Errorf("nothing happened, and it is taken for a copy: %+v", d)
	}
	if err := s.Admit(t.Context(), "car-7", shown(before)); !errors.Is(err, ErrReplaced) {
		t.Errorf("the old one, after: %v", err)
	}
	if d := s.device("car-7"); !Copied(d, s.clock.Now()) || StateOf(d, s.clock.Now()).Class == "good" {
		t.Errorf("a copy came and nobody is told: %+v", d)
	}
	onDisk, err := identity.OpenCredential(u.files(), u.storage, u.clock)
	if err != nil || onDisk.Leaf().SerialNumber.Cmp(after.SerialNumber) != 0 {
		t.Errorf("on disk is %v, %v", onDisk.Leaf().SerialNumber, err)
	}
}

func TestARenewalThatNeverArrivedChangesNothing(t *testing.T) {
	s := newSite(t)
	u := s.unit("car-7")
	for range 3 { // central issues, and the answer is lost
		_, request, err := identity.NewRequest("car-7")
		must(t, err)
		if _, err := s.renewed(t.Context(), "car-7", shown(u.Leaf()), request); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.arrives(u); err != nil {
		t.Errorf("the unit's certificate: %v", err)
	}
	must(t, u.Renew(t.Context(), s.address))
	if err := s.arrives(u); err != nil {
		t.Errorf("after the renewal that worked: %v", err)
	}
}

func TestEnrolledAgainTheEarlierCertificateIsACopys(t *testing.T) {
	s := newSite(t)
	first := s.unit("car-7")
	must(t, s.Revoke(t.Context(), jane, "car-7", "stolen from the garage"))
	if err := s.arrives(first); !errors.Is(err, ErrRevoked) {
		t.Errorf("a revoked one: %v", err)
	}
	if err := s.Approve(t.Context(), jane, s.approval("car-7")); !errors.Is(err, ErrRevoked) {
		t.Errorf("approving what was revoked: %v", err)
	}
	if err := first.Renew(t.Context(), s.address); !errors.Is(err, identity.ErrRefused) || !strings.Contains(err.Error(), ErrRevoked.Error()) {
		t.Errorf("renewing what was revoked: %v", err)
	}
	token := s.token("car-7")
	if err := s.arrives(first); !errors.Is(err, ErrRevoked) {
		t.Errorf("a token that waits lets the revoked one in: %v", err)
	}
	second, err := s.enrol(token)
	must(t, err)
	if err := s.arrives(second); err != nil {
		t.Errorf("the one that was enrolled: %v", err)
	}
	if err := s.arrives(first); !errors.Is(err, ErrReplaced) {
		t.Errorf("the one before: %v", err)
	}
	if err := first.Renew(t.Context(), s.address); !errors.Is(err, identity.ErrRefused) {
		t.Errorf("the one before renews: %v", err)
	}
}

func TestOnlyTheDeviceItselfIsGivenItsCertificate(t *testing.T) {
	s := newSite(t)
	u := s.unit("car-7")
	s.unit("car-8")
	post := func(path, bearer string, request []byte, config *tls.Config) (int, error) {
		q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.address+path, strings.NewReader(string(request)))
		must(t, err)
		q.Header.Set("Authorization", "Bearer "+bearer)
		transport := &http.Transport{TLSClientConfig: config}
		defer transport.CloseIdleConnections()
		answer, err := (&http.Client{Transport: transport}).Do(q)
		if err != nil {
			return 0, err
		}
		return answer.StatusCode, answer.Body.Close()
	}
	_, others, err := identity.NewRequest("car-8")
	must(t, err)
	_, own, err := identity.NewRequest("car-7")
	must(t, err)
	nobody := u.TLS()
	nobody.GetClientCertificate = nil
	for name, c := range map[string]struct {
		path, bearer string
		request      []byte
		config       *tls.Config
	}{
		"a request for another name":         {identity.PathRenew, "", others, u.TLS()},
		"a renewal without a certificate":    {identity.PathRenew, "", own, nobody},
		"a token with another device's name": {identity.PathEnrol, s.token("car-9").Text(), others, nobody},
		"no token":                           {identity.PathEnrol, "", own, nobody},
		"what is no request":                 {identity.PathRenew, "", []byte("hello"), u.TLS()},
		"a request longer than any can be":   {identity.PathRenew, "", []byte(strings.Repeat("x", identity.MaxRequest+1)), u.TLS()},
		"a request that was tampered with":   {identity.PathRenew, "", []byte(strings.Replace(string(own), "MI", "MJ", 1)), u.TLS()},
	} {
		if status, err := post(c.path, c.bearer, c.request, c.config); err != nil || status != http.StatusForbidden {
			t.Errorf("%s: %d, %v, want 403", name, status, err)
		}
	}
	s.clock.Advance(366 * 24 * time.Hour)
	old := u.TLS()
	old.RootCAs, old.InsecureSkipVerify = nil, true //nolint:gosec // the server's check is what is tested
	if status, err := post(identity.PathRenew, "", own, old); err == nil {
		t.Errorf("an expired certificate was answered %d", status)
	}
}

func TestATokenLeadsToItsOwnSiteOnly(t *testing.T) {
	here, elsewhere := newSite(t), newSite(t)
	token := here.token("car-7")
	elsewhere.token("car-7")
	dir := filepath.Join(t.TempDir(), "identity")
	err := identity.Enrol(t.Context(), elsewhere.address, token, dir, nil, here.clock)
	if !errors.Is(err, identity.ErrOtherSite) {
		t.Errorf("a unit that was sent to another site: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was written: %v", err)
	}
	if d := here.device("car-7"); d.Token == (store.Token{}) {
		t.Error("the token is used up")
	}
	// A device of this site that poses as central, CA and all.
	u := here.unit("car-8")
	pair, err := u.TLS().GetClientCertificate(nil)
	must(t, err)
	chain := append(append([][]byte{}, pair.Certificate...), u.Authority().Raw)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{{Certificate: chain, PrivateKey: pair.PrivateKey}}})
	must(t, err)
	got := make(chan int, 1)
	go func() {
		defer close(got)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		n, _ := c.Read(make([]byte, 1000))
		got <- n
	}()
	if err := identity.Enrol(t.Context(), "https://"+l.Addr().String(), token, dir, nil, here.clock); err == nil {
		t.Error("a device posed as central")
	}
	if n := <-got; n > 0 {
		t.Error("the token was sent to a device")
	}
	must(t, l.Close())
}

func TestAUnitWhoseClockIsIn1970EnrolsAndRenews(t *testing.T) {
	s := newSite(t)
	u := &unit{dir: filepath.Join(t.TempDir(), "identity"), clock: clock.NewManual(time.Unix(0, 0))}
	u.clock.Reboot()
	must(t, identity.Enrol(t.Context(), s.address, s.token("car-7"), u.dir, nil, u.clock))
	var err error
	u.Credential, err = identity.OpenCredential(u.files(), nil, u.clock)
	must(t, err)
	must(t, u.Renew(t.Context(), s.address))
}

func TestWhatWantsAPersonIsSaid(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	fine := store.Device{Approved: now, Review: now.AddDate(1, 0, 0), LastSeen: now, Certificate: store.Certificate{Serial: "1", NotAfter: now.AddDate(1, 0, 0)}}
	for want, change := range map[string]func(*store.Device){
		"reporting: 0":    func(*store.Device) {},
		"problems: 1":     func(d *store.Device) { d.Review = now.AddDate(0, 0, -1) },
		"problems: 1 ":    func(d *store.Device) { d.Certificate.NotAfter = now.AddDate(0, 0, 20) },
		"problems: 1  ":   func(d *store.Device) { d.Copied = now.Add(-time.Hour) },
		"silent: 0":       func(d *store.Device) { d.LastSeen = now.Add(-4 * time.Minute) },
		"revoked: 0":      func(d *store.Device) { d.Revoked, d.Review, d.Copied = now, now.AddDate(0, 0, -1), now },
		"not approved: 0": func(d *store.Device) { d.Approved = time.Time{} },
		"never seen: 0":   func(d *store.Device) { d.LastSeen = time.Time{} },
		"to be enrolled: 0": func(d *store.Device) {
			d.LastSeen, d.Certificate, d.Token.Expires = time.Time{}, store.Certificate{}, now.Add(time.Hour)
		},
	} {
		d := fine
		change(&d)
		if got := fmt.Sprintf("%s: %d", StateOf(d, now).Word, len(Concerns(d, now))); got != strings.TrimRight(want, " ") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
