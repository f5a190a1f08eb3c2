package incab

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// trusts asks for the page under a name, as a tablet that trusts nothing but the
// issuer that it was given does at a time.
func (c *cab) trusts(issuer *x509.Certificate, name string, at time.Time) error {
	pool := x509.NewCertPool()
	pool.AddCert(issuer)
	conn, err := tls.Dial("tcp", strings.TrimPrefix(c.url, "https://"), &tls.Config{RootCAs: pool, ServerName: name, Time: func() time.Time { return at }})
	if err != nil {
		return err
	}
	return conn.Close()
}

// issuer takes what the page gives for a tablet to trust.
func (c *cab) issuer() *x509.Certificate {
	c.t.Helper()
	status, text := c.get(c.browser(), "/issuer.crt")
	issuer, err := x509.ParseCertificate([]byte(text))
	if status != http.StatusOK || err != nil {
		c.t.Fatalf("%d, %v", status, err)
	}
	return issuer
}

func (c *cab) isCalled(names ...string) { c.mu.Lock(); defer c.mu.Unlock(); c.names = names }

func TestATabletThatTrustsTheIssuerTrustsThePageUnderEachOfItsNames(t *testing.T) {
	c := newCab(t)
	c.stop()
	c.isCalled("192.168.8.1", "car-7.example.police.uk", "203.0.113.9")
	c.start()
	issuer := c.issuer()
	for _, name := range []string{"192.168.8.1", "car-7.example.police.uk", "203.0.113.9", "127.0.0.1"} {
		if err := c.trusts(issuer, name, began); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if c.trusts(issuer, "car-8.example.police.uk", began) == nil {
		t.Error("another unit's name is taken")
	}
	i, err := c.Pair("observer")
	must(t, err)
	if i.Issuer != fingerprint(issuer.Raw) || !strings.HasPrefix(i.Address, "https://192.168.8.1:") {
		t.Errorf("the invitation is %+v", i)
	}
}

func TestTheIssuerCanVouchForNoOtherSite(t *testing.T) {
	c := newCab(t)
	c.Screen.mu.Lock()
	issuer := parsePair(c.state.Issuer, c.state.IssuerKey)
	c.Screen.mu.Unlock()
	pool := x509.NewCertPool()
	pool.AddCert(issuer.certificate)
	for name, ok := range map[string]bool{"127.0.0.1": true, "192.168.77.7": true, "www.example.com": false, "198.51.100.7": false} {
		forged, err := issuer.issue([]string{name}, began)
		must(t, err)
		if _, err := forged.certificate.Verify(x509.VerifyOptions{Roots: pool, DNSName: name, CurrentTime: began}); (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheCertificateIsMadeAnewBeforeItEndsAndForANewAddressAndTheIssuerStays(t *testing.T) {
	c := newCab(t)
	issuer, first := c.issuer(), c.certificate().Certificate[0]
	next := func(what, name string) []byte {
		t.Helper()
		c.hand.Advance(time.Minute) // it looks once in a while
		before := string(c.certificate().Certificate[0])
		for late := time.Now().Add(5 * time.Second); string(c.certificate().Certificate[0]) == before && time.Now().Before(late); {
			time.Sleep(10 * time.Millisecond)
		}
		if err := c.trusts(issuer, name, c.hand.Now()); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		return c.certificate().Certificate[0]
	}
	c.isCalled("10.1.2.3")
	moved := next("another address", "10.1.2.3")
	c.hand.Advance((certificateDays - renewBefore + 1) * 24 * time.Hour)
	renewed := next("two years later", "10.1.2.3")
	if string(first) == string(moved) || string(moved) == string(renewed) {
		t.Error("it is the same")
	}
	leaf, err := x509.ParseCertificate(renewed)
	must(t, err)
	if days := leaf.NotAfter.Sub(leaf.NotBefore).Hours() / 24; days > 825 {
		t.Errorf("it holds for %g days: no platform takes it", days)
	}
	c.stop()
	c.start()
	if string(c.certificate().Certificate[0]) != string(renewed) {
		t.Error("a restart made another")
	}
}

func TestAClockThatNobodyVouchesForMakesNoCertificateOfTheFuture(t *testing.T) {
	c := newCab(t)
	issuer := c.issuer()
	c.hand.Set(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC))
	c.hand.Doubt()
	c.isCalled("10.1.2.3")
	must(t, c.renew())
	if err := c.trusts(issuer, "10.1.2.3", began); err != nil {
		t.Error(err)
	}
}

func TestAUnitWhoseClockWasNeverProvedShowsNoCertificateThatHasEnded(t *testing.T) {
	c := newCab(t)
	c.hand.Set(time.Date(1970, 1, 1, 0, 1, 0, 0, time.UTC))
	c.hand.Doubt()
	issuer := c.issuer()
	years := began.AddDate(4, 0, 0)
	if c.trusts(issuer, "127.0.0.1", years) == nil {
		t.Fatal("the first certificate holds for years") // and this test tells nothing
	}
	c.mu.Lock()
	c.good = years // when the unit's own certificate was renewed, say
	c.mu.Unlock()
	must(t, c.renew())
	for what, at := range map[string]time.Time{"then": years, "a year later": years.AddDate(1, 0, 0)} {
		if err := c.trusts(issuer, "127.0.0.1", at); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	made := string(c.certificate().Certificate[0])
	must(t, c.renew())
	if string(c.certificate().Certificate[0]) != made {
		t.Error("it is made anew with each look")
	}
}

func TestACertificateThatWasGivenIsServedAndNothingElseIsOffered(t *testing.T) {
	c := newCab(t)
	given := c.certificate()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	s := &Screen{Listener: l, Certificate: given, Load: c.Load, Save: c.Save, Clock: c.hand, Log: c.Log}
	must(t, s.Initialize())
	i, err := s.Pair("observer")
	must(t, err)
	if i.Issuer != "" || i.Fingerprint != fingerprint(given.Certificate[0]) {
		t.Errorf("the invitation is %+v", i)
	}
}
