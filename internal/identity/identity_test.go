package identity

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nrd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// at is a clock that stands still.
type at time.Time

func (a at) Now() time.Time   { return time.Time(a) }
func (a at) Stamp() nrd.Stamp { return nrd.Stamp{UTC: a.Now()} }

// now is the real time: certificates are checked against it by crypto/tls.
func now() at { return at(time.Now()) }

// newSite makes a site with a server's certificate and one of device car-7, all
// issued at the given time.
func newSite(t *testing.T, issued at) string {
	t.Helper()
	dir := t.TempDir()
	site, err := NewSite(dir, issued)
	if err != nil {
		t.Fatal(err)
	}
	if err := site.IssueServer(dir, "central", []string{"central.example", "127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	if err := site.IssueDevice(dir, "car-7"); err != nil {
		t.Fatal(err)
	}
	return dir
}

func server(t *testing.T, dir, name string) *tls.Config {
	t.Helper()
	c, err := ServerTLS(filepath.Join(dir, "ca.pem"), filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func client(t *testing.T, dir, name string) *tls.Config {
	t.Helper()
	c, err := ClientTLS(filepath.Join(dir, "ca.pem"), filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// meet lets a client call a server over a real connection and gives each side's
// error and the name that the server saw.
func meet(t *testing.T, serverConfig, clientConfig *tls.Config) (device string, serverErr, clientErr error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		var conn net.Conn
		conn, serverErr = listener.Accept()
		if serverErr != nil {
			return
		}
		secure := tls.Server(conn, serverConfig)
		defer secure.Close()
		if serverErr = secure.Handshake(); serverErr != nil {
			return
		}
		if device, serverErr = Device(secure.ConnectionState()); serverErr != nil {
			return
		}
		_, serverErr = secure.Write([]byte("hello"))
	}()
	clientErr = call(listener.Addr().String(), clientConfig)
	<-done
	return device, Explain(serverErr), Explain(clientErr)
}

func call(address string, config *tls.Config) error {
	conn, err := tls.Dial("tcp", address, config)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = io.ReadAll(conn)
	return err
}

func TestADeviceIsKnownByItsCertificate(t *testing.T) {
	dir := newSite(t, now())
	device, serverErr, clientErr := meet(t, server(t, dir, "central"), client(t, dir, "car-7"))
	if device != "car-7" || serverErr != nil || clientErr != nil {
		t.Errorf("device %q, server %v, client %v", device, serverErr, clientErr)
	}
}

func TestASiteThatWasReopenedIssuesForTheSameDevices(t *testing.T) {
	dir := newSite(t, now())
	site, err := OpenSite(dir, now())
	if err != nil {
		t.Fatal(err)
	}
	if err := site.IssueDevice(dir, "car-8"); err != nil {
		t.Fatal(err)
	}
	device, serverErr, clientErr := meet(t, server(t, dir, "central"), client(t, dir, "car-8"))
	if device != "car-8" || serverErr != nil || clientErr != nil {
		t.Errorf("device %q, server %v, client %v", device, serverErr, clientErr)
	}
}

func TestAWrongCertificateIsRefusedWithItsReason(t *testing.T) {
	here, elsewhere := newSite(t, now()), newSite(t, at(time.Now().Add(-time.Minute)))
	expired := newSite(t, at(time.Now().AddDate(-2, 0, 0)))
	early := newSite(t, at(time.Now().AddDate(0, 0, 2)))

	foreign := client(t, elsewhere, "car-7")
	foreign.RootCAs = client(t, here, "car-7").RootCAs
	none := client(t, here, "car-7")
	none.Certificates = nil
	serverAsDevice := client(t, here, "central")
	otherHost := client(t, here, "car-7")
	otherHost.ServerName = "elsewhere.example"

	for _, c := range []struct {
		name           string
		server, client *tls.Config
		serverErr      error // nil: the client gives up first
		clientErr      error
	}{
		{"another site's device", server(t, here, "central"), foreign, ErrOtherSite, ErrOtherSite},
		{"another site's server", server(t, elsewhere, "central"), client(t, here, "car-7"), nil, ErrOtherSite},
		{"no certificate", server(t, here, "central"), none, nil, ErrNoCertificate},
		{"an expired server", server(t, expired, "central"), client(t, expired, "car-7"), nil, ErrExpired},
		{"an expired device", server(t, expired, "central"), trusting(client(t, expired, "car-7")), ErrExpired, ErrExpired},
		{"a device of tomorrow", server(t, early, "central"), trusting(client(t, early, "car-7")), ErrExpired, ErrExpired},
		{"a server as device", server(t, here, "central"), serverAsDevice, ErrWrongUse, nil},
		{"a device as server", server(t, here, "car-7"), client(t, here, "car-7"), nil, ErrWrongHost},
		{"another host", server(t, here, "central"), otherHost, nil, ErrWrongHost},
	} {
		t.Run(c.name, func(t *testing.T) {
			device, serverErr, clientErr := meet(t, c.server, c.client)
			if device != "" || serverErr == nil || clientErr == nil {
				t.Fatalf("let in as %q: server %v, client %v", device, serverErr, clientErr)
			}
			if c.serverErr != nil && !errors.Is(serverErr, c.serverErr) {
				t.Errorf("server says %v, want %v", serverErr, c.serverErr)
			}
			if c.clientErr != nil && !errors.Is(clientErr, c.clientErr) {
				t.Errorf("client says %v, want %v", clientErr, c.clientErr)
			}
		})
	}
}

// trusting makes a client whose own clock finds the server's certificate valid,
// so that the server's check is the one that counts.
func trusting(c *tls.Config) *tls.Config {
	valid := c.Certificates[0].Leaf.NotBefore.Add(time.Hour)
	c.Time = func() time.Time { return valid }
	return c
}

func TestOldTLSIsNotSpoken(t *testing.T) {
	dir := newSite(t, now())
	old := client(t, dir, "car-7")
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if _, serverErr, clientErr := meet(t, server(t, dir, "central"), old); serverErr == nil || clientErr == nil {
		t.Error("the server spoke TLS 1.2")
	}
	oldServer := server(t, dir, "central")
	oldServer.MinVersion, oldServer.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if _, serverErr, clientErr := meet(t, oldServer, client(t, dir, "car-7")); serverErr == nil || clientErr == nil {
		t.Error("the client spoke TLS 1.2")
	}
}

func TestThePageNeedsNoCertificateOfTheBrowser(t *testing.T) {
	dir := newSite(t, now())
	page, err := PageTLS(filepath.Join(dir, "central.pem"), filepath.Join(dir, "central.key"))
	if err != nil {
		t.Fatal(err)
	}
	browser := client(t, dir, "car-7")
	browser.Certificates = nil
	if _, serverErr, clientErr := meet(t, page, browser); !errors.Is(serverErr, ErrNoCertificate) || clientErr != nil {
		t.Errorf("server %v, client %v; want a good handshake without a device", serverErr, clientErr)
	}
}

func TestCertificatesLastAsLongAsSaid(t *testing.T) {
	issued := at(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
	dir := newSite(t, issued)
	for name, years := range map[string]int{"ca": 10, "central": 1, "car-7": 1} {
		c, err := readCertificate(filepath.Join(dir, name+".pem"))
		if err != nil {
			t.Fatal(err)
		}
		if want := issued.Now().AddDate(years, 0, 0); !c.NotAfter.Equal(want) || !c.NotBefore.Before(issued.Now()) {
			t.Errorf("%s is valid from %s to %s, want to %s", name, c.NotBefore, c.NotAfter, want)
		}
		info, err := os.Stat(filepath.Join(dir, name+".key"))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s.key: mode %v, %v, want 0600", name, info.Mode(), err)
		}
	}
	late, err := OpenSite(dir, at(issued.Now().AddDate(11, 0, 0)))
	if err != nil {
		t.Fatal(err)
	}
	if err := late.IssueDevice(dir, "car-9"); !errors.Is(err, ErrExpired) {
		t.Errorf("a CA past its end issued: %v", err)
	}
}

func TestASiteIsNeverOverwritten(t *testing.T) {
	dir := newSite(t, now())
	before, err := os.ReadFile(filepath.Join(dir, "ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewSite(dir, now()); !errors.Is(err, ErrSiteExists) {
		t.Errorf("got %v, want ErrSiteExists", err)
	}
	site, err := OpenSite(dir, now())
	if err != nil {
		t.Fatal(err)
	}
	if site.IssueDevice(dir, "ca") == nil || site.IssueServer(dir, "ca", []string{"localhost"}) == nil {
		t.Error("a certificate took the CA's files")
	}
	after, err := os.ReadFile(filepath.Join(dir, "ca.key"))
	if err != nil || string(after) != string(before) {
		t.Errorf("the CA's key has changed, %v", err)
	}
}

func TestFilesThatDoNotBelongTogetherAreNamed(t *testing.T) {
	here, elsewhere := newSite(t, now()), newSite(t, at(time.Now().Add(-time.Minute)))
	ca, cert, key := filepath.Join(here, "ca.pem"), filepath.Join(here, "car-7.pem"), filepath.Join(here, "car-7.key")
	for name, c := range map[string]struct {
		ca, cert, key string
		named         string
		is            error
	}{
		"another site's CA":   {filepath.Join(elsewhere, "ca.pem"), cert, key, cert, ErrOtherSite},
		"another key":         {ca, cert, filepath.Join(here, "central.key"), "central.key", nil},
		"no CA":               {filepath.Join(here, "none.pem"), cert, key, "none.pem", os.ErrNotExist},
		"no certificate":      {ca, filepath.Join(here, "none.pem"), key, "none.pem", os.ErrNotExist},
		"a key instead of CA": {key, cert, key, "car-7.key", nil},
	} {
		_, err := ClientTLS(c.ca, c.cert, c.key)
		if err == nil || !strings.Contains(err.Error(), c.named) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := ServerTLS(c.ca, c.cert, c.key); err == nil {
			t.Errorf("%s: the server took it", name)
		}
	}
	if err := os.Rename(filepath.Join(elsewhere, "ca.key"), filepath.Join(here, "ca.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSite(here, now()); err == nil {
		t.Error("a CA with another's key was opened")
	}
}

func TestDeviceNames(t *testing.T) {
	for _, name := range []string{"a", "car-7", "0", strings.Repeat("x", 64)} {
		if err := ValidDevice(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "Car", "car 7", "car/7", "car+", "#", "..", "cär", "a\x00", strings.Repeat("x", 65)} {
		if err := ValidDevice(name); !errors.Is(err, ErrDeviceName) {
			t.Errorf("%q: %v, want ErrDeviceName", name, err)
		}
	}
	site, err := OpenSite(newSite(t, now()), now())
	if err != nil {
		t.Fatal(err)
	}
	if err := site.IssueDevice(t.TempDir(), "../car"); !errors.Is(err, ErrDeviceName) {
		t.Errorf("issued for a path: %v", err)
	}
	if err := site.IssueServer(t.TempDir(), "central", nil); err == nil {
		t.Error("a server's certificate for no host was issued")
	}
}

func FuzzValidDevice(f *testing.F) {
	for _, s := range []string{"", "car-7", "CAR", "a/b", "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if ValidDevice(name) == nil && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			t.Errorf("%q passes", name)
		}
	})
}
