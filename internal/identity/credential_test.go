package identity

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nrd/internal/clock"
	"nrd/internal/sealed"
)

// credentialOf makes an identity of car-7 as an enrolment does, issued now.
func credentialOf(t *testing.T, storage *sealed.Key, c *clock.Manual) (*Credential, Files) {
	t.Helper()
	dir := newSite(t, now())
	site, err := OpenSite(dir, now())
	if err == nil {
		err = site.IssueIssuer(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := OpenIssuer(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "issuer.pem"), filepath.Join(dir, "issuer.key"), now())
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, request, err := NewRequest("car-7")
	if err != nil {
		t.Fatal(err)
	}
	issued, err := issuer.Issue(request, "car-7", "E1")
	if err != nil {
		t.Fatal(err)
	}
	text, err := identityFile(pkcs8, issued.Chain, storage)
	if err != nil {
		t.Fatal(err)
	}
	files := Files{CA: filepath.Join(dir, "ca.pem"), Certificate: filepath.Join(dir, DeviceFile)}
	if err := os.WriteFile(files.Certificate, text, 0o600); err != nil {
		t.Fatal(err)
	}
	credential, err := OpenCredential(files, storage, c)
	if err != nil {
		t.Fatal(err)
	}
	return credential, files
}

func TestTheTimeForCertificatesIsNeverBeforeWhatIsKnown(t *testing.T) {
	truth := time.Now().UTC()
	c := clock.NewManual(truth)
	credential, files := credentialOf(t, nil, c)
	if got := credential.Now(); !got.Equal(truth.Round(0)) {
		t.Errorf("a proved clock shows %s, and %s counts", truth, got)
	}
	c.Advance(30 * 24 * time.Hour)
	if err := credential.KeepTime(); err != nil {
		t.Fatal(err)
	}
	kept := c.Now().Truncate(time.Second)
	c.Reboot() // 1970, and nothing proves it
	credential, err := OpenCredential(files, nil, c)
	if err != nil {
		t.Fatal(err)
	}
	if got := credential.Now(); !got.Equal(kept) {
		t.Errorf("after a reboot %s counts, want the last good time %s", got, kept)
	}
	if err := credential.KeepTime(); err != nil {
		t.Fatal(err)
	}
	if got := credential.Now(); !got.Equal(kept) {
		t.Errorf("a clock that nothing proves was kept: %s", got)
	}
	// A clock that was wrongly proved to be years ahead locks nobody out.
	c.Set(truth.AddDate(10, 0, 0))
	c.Prove("gps", 0)
	if err := credential.KeepTime(); err != nil {
		t.Fatal(err)
	}
	c.Set(truth.Add(time.Hour))
	if got := credential.Now(); !got.Equal(truth.Add(time.Hour).Round(0)) {
		t.Errorf("set right again, %s counts", got)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(files.Certificate), "last-good-time"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Reboot()
	if credential, err = OpenCredential(files, nil, c); err != nil || credential.Now().Before(credential.Leaf().NotBefore) {
		t.Errorf("with a damaged note of the time: %v, %v", credential.Now(), err)
	}
}

func TestAnIdentityOpensWithItsStorageKeyOnly(t *testing.T) {
	storage := sealed.NewKey()
	_, files := credentialOf(t, storage, clock.NewManual(time.Now()))
	text, err := os.ReadFile(files.Certificate)
	if err != nil || bytes.Contains(text, []byte("BEGIN PRIVATE KEY")) {
		t.Errorf("the key is in clear, %v", err)
	}
	for name, key := range map[string]*sealed.Key{"another key": sealed.NewKey(), "no key": nil} {
		if _, err := OpenCredential(files, key, now()); !errors.Is(err, ErrSealed) {
			t.Errorf("with %s: %v", name, err)
		}
	}
}

func TestADestroyedIdentitySaysWhy(t *testing.T) {
	storage := sealed.NewKey()
	now := clock.NewManual(time.Now())
	credential, files := credentialOf(t, storage, now)
	if err := errors.Join(credential.KeepTime(), files.MarkWiped("order 7"), files.Destroy()); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{files.Certificate, files.beside(timeFile)} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is there: %v", path, err)
		}
	}
	if _, err := OpenCredential(files, storage, now); !errors.Is(err, ErrWiped) || !strings.Contains(err.Error(), "order 7") {
		t.Errorf("opened: %v", err)
	}
}

func TestARenewalNeverTakesAnotherIdentity(t *testing.T) {
	credential, files := credentialOf(t, nil, clock.NewManual(time.Now()))
	before, err := os.ReadFile(files.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := OpenIssuer(files.CA, filepath.Join(filepath.Dir(files.CA), "issuer.pem"), filepath.Join(filepath.Dir(files.CA), "issuer.key"), now())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ device, enrolment string }{{"car-8", "E1"}, {"car-7", "E2"}} {
		pkcs8, request, err := NewRequest(c.device)
		if err != nil {
			t.Fatal(err)
		}
		issued, err := issuer.Issue(request, c.device, c.enrolment)
		if err != nil {
			t.Fatal(err)
		}
		if err := credential.replace(pkcs8, issued.Chain); !errors.Is(err, ErrRefused) {
			t.Errorf("a certificate of %s, enrolment %s, was taken: %v", c.device, c.enrolment, err)
		}
	}
	if after, err := os.ReadFile(files.Certificate); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the identity has changed: %v", err)
	}
}

func TestAnIssuerIsNeitherCentralNorADevice(t *testing.T) {
	_, files := credentialOf(t, nil, clock.NewManual(time.Now()))
	dir := filepath.Dir(files.CA)
	issuer, err := OpenIssuer(files.CA, filepath.Join(dir, "issuer.pem"), filepath.Join(dir, "issuer.key"), now())
	if err != nil {
		t.Fatal(err)
	}
	// Whoever steals the issuer's key makes a certificate for central.
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial(), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, issuer.certificate, issuer.key.Public(), issuer.key)
	if err != nil {
		t.Fatal(err)
	}
	posing := server(t, dir, "central")
	posing.Certificates = []tls.Certificate{{Certificate: [][]byte{der, issuer.certificate.Raw}, PrivateKey: issuer.key}}
	if _, serverErr, clientErr := meet(t, posing, client(t, dir, "car-7")); !errors.Is(clientErr, ErrWrongUse) || serverErr == nil {
		t.Errorf("an issuer posed as central: server %v, client %v", serverErr, clientErr)
	}
	for name, files := range map[string][2]string{"central's certificate": {"central.pem", "central.key"}, "a device's": {"car-7.pem", "car-7.key"}} {
		if _, err := OpenIssuer(filepath.Join(dir, "ca.pem"), filepath.Join(dir, files[0]), filepath.Join(dir, files[1]), now()); !errors.Is(err, ErrWrongUse) {
			t.Errorf("%s opens as an issuer: %v", name, err)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add("")
	f.Add("car-7.")
	f.Add(NewToken("car-7", [32]byte{1}).Text())
	f.Fuzz(func(t *testing.T, text string) {
		token, err := ParseToken(text)
		if err == nil && token.Text() != strings.TrimSpace(text) {
			t.Errorf("%q is read as %q", text, token.Text())
		}
		if err != nil && !errors.Is(err, ErrToken) {
			t.Errorf("%q: %v", text, err)
		}
	})
}

func FuzzRequest(f *testing.F) {
	_, request, err := NewRequest("car-7")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(request)
	f.Add([]byte("-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := parseRequest(text); err != nil && !errors.Is(err, ErrRequest) {
			t.Errorf("%v", err)
		}
	})
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte("order"), []byte("signature"), []byte("certificate"))
	dir := f.TempDir()
	site, err := NewSite(dir, now())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, order, signature, certificate []byte) {
		if _, err := verify(site.certificate, time.Now(), order, signature, certificate); !errors.Is(err, ErrSignature) {
			t.Errorf("verified: %v", err)
		}
	})
}
