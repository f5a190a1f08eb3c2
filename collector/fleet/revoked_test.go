package fleet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"nrd/internal/identity"
	"nrd/internal/link"
	"nrd/internal/link/linktest"
)

// keepRevoked keeps the list for a broker until the test ends.
func (s *site) keepRevoked() (file string) {
	s.t.Helper()
	file = s.file("revoked.crl")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.KeepRevoked(ctx, file) }()
	s.t.Cleanup(func() {
		cancel()
		must(s.t, <-ended)
	})
	linktest.Eventually(s.t, "the list is written", func() bool { _, err := os.Stat(file); return err == nil })
	return file
}

// lists reports whether the list in a file has this certificate.
func (s *site) lists(file string, leaf *x509.Certificate) bool {
	s.t.Helper()
	text, err := os.ReadFile(file)
	must(s.t, err)
	block, rest := pem.Decode(text)
	list, err := x509.ParseRevocationList(block.Bytes)
	must(s.t, err)
	if more, _ := pem.Decode(rest); more == nil {
		s.t.Error("the site's own list is not behind it")
	}
	return slices.ContainsFunc(list.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool { return e.SerialNumber.Cmp(leaf.SerialNumber) == 0 })
}

func TestTheListForBrokersHasWhatIsGoodNoMoreAndNothingElse(t *testing.T) {
	s := newSite(t)
	file := s.keepRevoked()
	u, lost, good := s.unit("car-7"), s.unit("car-8"), s.unit("car-9")
	first := u.Leaf()
	must(t, u.Renew(t.Context(), s.address))
	if s.lists(file, first) {
		t.Error("a certificate that may still be the one in use")
	}
	must(t, s.arrives(u))
	linktest.Eventually(t, "the one that was renewed is listed", func() bool { return s.lists(file, first) })
	must(t, s.Wipe(t.Context(), jane, "car-8", "stolen"))
	must(t, s.Revoke(t.Context(), jane, "car-7", "sold"))
	linktest.Eventually(t, "a revoked unit's is listed", func() bool { return s.lists(file, u.Leaf()) })
	if s.lists(file, lost.Leaf()) {
		t.Error("a unit that is to be wiped cannot come for its order")
	}
	if s.lists(file, good.Leaf()) {
		t.Error("a good unit's is listed")
	}
	again := s.unit("car-7")
	if !s.lists(file, u.Leaf()) || s.lists(file, again.Leaf()) {
		t.Error("enrolled again, the earlier one stays listed and the new one is not")
	}
	d := s.device("car-7")
	s.clock.Advance(400 * 24 * time.Hour)
	if s.giveUp(&d, d.Certificate); len(d.Ended) != 0 {
		t.Errorf("what has ended by itself is kept: %+v", d.Ended)
	}
}

func TestMosquittoLetsNoRevokedUnitInAndTakesANewCertificateOfItsOwn(t *testing.T) {
	s := newSite(t)
	ca, err := identity.OpenSite(s.dir, s.clock)
	must(t, err)
	must(t, ca.IssueServer(s.dir, "broker", []string{"127.0.0.1"}))
	file := s.keepRevoked()
	b := linktest.Mosquitto(t, &linktest.Site{Dir: s.dir})
	comes := func(u *unit, config *tls.Config) error {
		l, err := link.Connect(t.Context(), link.Config{
			Broker: "tls://" + b.Address, TLS: config, Client: u.Device(), Received: func(string, []byte) {},
		})
		if err == nil {
			l.Close()
		}
		return err
	}
	lost, good := s.unit("car-7"), s.unit("car-8")
	old := good.TLS()
	pair, err := old.GetClientCertificate(nil)
	must(t, err)
	old.GetClientCertificate, old.Certificates = nil, []tls.Certificate{*pair}
	must(t, errors.Join(comes(lost, lost.TLS()), comes(good, old)))
	must(t, s.Revoke(t.Context(), jane, "car-7", "lost"))
	must(t, good.Renew(t.Context(), s.address))
	must(t, s.arrives(good))
	linktest.Eventually(t, "both are listed", func() bool { return s.lists(file, lost.Leaf()) && s.lists(file, pair.Leaf) })
	b.Reload()
	linktest.Eventually(t, "the revoked unit is refused", func() bool { return comes(lost, lost.TLS()) != nil })
	if err := comes(good, old); err == nil {
		t.Error("a certificate that was given up is let in")
	}
	must(t, comes(good, good.TLS()))

	before := shows(t, b, good)
	must(t, ca.IssueServer(s.dir, "broker", []string{"127.0.0.1"}))
	b.Reload()
	linktest.Eventually(t, "the broker shows its new certificate", func() bool { return shows(t, b, good).Cmp(before) != 0 })
	must(t, comes(good, good.TLS()))
}

// shows is the number of the certificate that a broker shows a unit.
func shows(t *testing.T, b *linktest.Broker, u *unit) *big.Int {
	t.Helper()
	c, err := tls.Dial("tcp", b.Address, u.TLS())
	must(t, err)
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber
}

func TestWhoHasTheIssuersKeyPosesAsNoUnitAndTheIssuerIsReplaced(t *testing.T) {
	s := newSite(t)
	u := s.unit("car-7")
	// The thief has the issuer's key, and knows the number of the certificate.
	stolen := s.Issuer
	_, request, err := identity.NewRequest("car-7")
	must(t, err)
	forged, err := stolen.Issue(request, "car-7", u.Enrolment())
	must(t, err)
	block, _ := pem.Decode(forged.Chain)
	leaf, err := x509.ParseCertificate(block.Bytes)
	must(t, err)
	if err := s.Admit(t.Context(), "car-7", shown(leaf)); !errors.Is(err, ErrReplaced) {
		t.Errorf("a certificate that central has not issued: %v", err)
	}

	ca, err := identity.OpenSite(s.dir, s.clock)
	must(t, err)
	must(t, ca.ReplaceIssuer(s.dir))
	s.Issuer, err = identity.OpenIssuer(s.file("ca.pem"), s.file("issuer.pem"), s.file("issuer.key"), s.clock)
	must(t, err)
	s.RevokedIssuers, err = os.ReadFile(s.file(identity.RevokedFile))
	must(t, err)
	must(t, u.LearnRevoked(t.Context(), s.address))
	signature, certificate, err := stolen.Sign([]byte("order"))
	must(t, err)
	if err := u.Verify([]byte("order"), signature, certificate); !errors.Is(err, identity.ErrSignature) {
		t.Errorf("an order of the thief's: %v", err)
	}
	if !u.Due() {
		t.Fatal("a certificate of the issuer that was taken back is not due for renewal")
	}
	must(t, u.Renew(t.Context(), s.address))
	must(t, s.arrives(u))
	if u.Due() {
		t.Error("renewed, and due again")
	}
	if _, err := os.Stat(filepath.Join(u.dir, identity.RevokedFile)); err != nil {
		t.Error(err)
	}
}
