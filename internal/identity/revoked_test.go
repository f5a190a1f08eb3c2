package identity

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"nrd/internal/clock"
)

// revokedServer is central as far as the list goes.
func revokedServer(t *testing.T, dir string) (address string) {
	t.Helper()
	config, err := ServiceTLS(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "central.pem"), filepath.Join(dir, "central.key"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(dir, RevokedFile))
	}))
	server.TLS = config
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

func TestAnIssuerThatWasTakenBackIsNotObeyedAndItsCertificatesAreRenewed(t *testing.T) {
	u, files := credentialOf(t, nil, clock.NewManual(time.Now()))
	dir := filepath.Dir(files.CA)
	open := func() *Issuer {
		t.Helper()
		i, err := OpenIssuer(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "issuer.pem"), filepath.Join(dir, "issuer.key"), now())
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	obeys := func(i *Issuer) error {
		t.Helper()
		signature, certificate, err := i.Sign([]byte("order"))
		if err != nil {
			t.Fatal(err)
		}
		return u.Verify([]byte("order"), signature, certificate)
	}
	old := open()
	empty, err := os.ReadFile(filepath.Join(dir, RevokedFile))
	if err != nil {
		t.Fatal(err)
	}
	site, err := OpenSite(dir, now())
	if err == nil {
		err = site.ReplaceIssuer(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	current := open()
	if err := errors.Join(obeys(old), obeys(current)); err != nil || u.Due() {
		t.Errorf("before the unit knows: %v, due %t", err, u.Due())
	}
	// The site's folder is the unit's in this test: the list is there already.
	list := filepath.Join(dir, RevokedFile)
	address := revokedServer(t, dir)
	if err := u.LearnRevoked(context.Background(), address); err != nil {
		t.Fatal(err)
	}
	if err := obeys(old); !errors.Is(err, ErrSignature) {
		t.Errorf("an order of the old issuer: %v", err)
	}
	if err := obeys(current); err != nil || !u.Due() {
		t.Errorf("an order of the new one: %v; due %t", err, u.Due())
	}
	newest, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	// An older list changes nothing, and a start changes nothing.
	if err := os.WriteFile(list, empty, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := u.LearnRevoked(context.Background(), address); err != nil || obeys(old) == nil {
		t.Errorf("after an older list: %v, %v", err, obeys(old))
	}
	if err := os.WriteFile(list, newest, 0o600); err != nil {
		t.Fatal(err)
	}
	if u, err = OpenCredential(files, nil, u.clock); err != nil || obeys(old) == nil {
		t.Errorf("after a start: %v", err)
	}
}

func TestAListOfAnotherSiteIsNotTaken(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	site, err := NewSite(dir, now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewSite(other, now()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(other, RevokedFile))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseRevoked(text, site.certificate); !errors.Is(err, ErrRevokedList) {
		t.Errorf("got %v", err)
	}
}

func FuzzRevokedList(f *testing.F) {
	site, err := NewSite(f.TempDir(), now())
	if err != nil {
		f.Fatal(err)
	}
	other := f.TempDir()
	if _, err := NewSite(other, now()); err != nil {
		f.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(other, RevokedFile))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("-----BEGIN X509 CRL-----\n-----END X509 CRL-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := parseRevoked(text, site.certificate); !errors.Is(err, ErrRevokedList) {
			t.Errorf("got %v", err)
		}
	})
}
