package incab

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"nrd"
)

// The screen's own certificate is vouched for by an issuer of its own, which a tablet
// comes to trust once: the certificate is made anew before it ends and when the unit
// has another name or address, and the tablet notices nothing. The issuer can vouch
// for nothing but the unit's names and private addresses, so that one in wrong hands
// opens no other site.

const (
	// Platforms take certificates that hold for at most 825 days.
	certificateDays, certificateSlack, renewBefore = 780, 30, 60
	issuerYears                                    = 10
)

// written is before any clock that is right: the unit's own may say 1970.
var written = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// ownRanges are the addresses that the issuer may always vouch for: those of a
// vehicle's network, which may change.
var ownRanges = []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "fc00::/7", "fe80::/10", "::1/128"}

// certify takes the certificate that was given, or the screen's own, which is kept.
func (s *Screen) certify() error {
	if s.Certificate != nil {
		s.own = *s.Certificate
		return nil
	}
	return s.renew()
}

// certificate is what the page is served under.
func (s *Screen) certificate() *tls.Certificate {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.own
	return &own
}

// renew makes what is missing of the issuer and the certificate, ends soon, or does
// not name the unit as it is called now. Only one goroutine calls it.
func (s *Screen) renew() error {
	names := s.names()
	stamp := s.Clock.Stamp()
	now := s.surely(stamp)
	s.mu.Lock()
	issuer, leaf := parsePair(s.state.Issuer, s.state.IssuerKey), parsePair(s.state.Certificate, s.state.Key)
	s.mu.Unlock()
	if leaf != nil { // time does not go back
		if then := leaf.certificate.NotBefore.AddDate(0, 0, certificateSlack); then.After(now) && !stamp.Proved {
			now = then
		}
	}
	made := false
	var err error
	if !issuer.permits(names) || !issuer.holds(now.AddDate(1, 0, 0)) {
		if issuer, err = makeIssuer(names, now); err != nil {
			return err
		}
		made = true
	}
	if made || !leaf.from(issuer) || !leaf.names(names) || !leaf.holds(now.AddDate(0, 0, renewBefore)) {
		if leaf, err = issuer.issue(names, now); err != nil {
			return err
		}
		made = true
	}
	s.mu.Lock()
	s.own = tls.Certificate{Certificate: [][]byte{leaf.certificate.Raw}, PrivateKey: leaf.key}
	s.state.Issuer, s.state.IssuerKey, s.state.Certificate, s.state.Key = issuer.certificate.Raw, issuer.der(), leaf.certificate.Raw, leaf.der()
	s.mu.Unlock()
	if made {
		return s.save()
	}
	return nil
}

// surely gives a time that has passed for certain: now by a clock that is proved, or
// the last that was right. A unit whose clock was never proved would otherwise show
// tablets, some years from now, a certificate that has ended.
func (s *Screen) surely(stamp nrd.Stamp) time.Time {
	now := written
	switch {
	case stamp.Proved:
		now = stamp.True()
	case s.Good != nil:
		now = s.Good()
	}
	if now.Before(written) {
		return written
	}
	return now
}

// renewNow looks once a minute whether the certificate is to be renewed.
func (s *Screen) renewNow() {
	now := s.Clock.Stamp().Monotonic
	if s.Certificate != nil || now-s.renewed < time.Minute {
		return
	}
	s.renewed = now
	if err := s.renew(); err != nil {
		s.Log.Error("the screen's certificate could not be renewed", "error", err)
	}
}

// names are those under which tablets come, the one to be shown first.
func (s *Screen) names() []string {
	var names []string
	if s.Names != nil {
		names = s.Names()
	}
	if a, ok := s.Listener.Addr().(*net.TCPAddr); ok && !a.IP.IsUnspecified() {
		names = append(names, a.IP.String())
	}
	return names
}

// address is where the page is, as far as the unit knows.
func (s *Screen) address() string {
	host, port := "THIS-UNIT", 0
	if names := s.names(); len(names) > 0 {
		host = names[0]
	}
	if a, ok := s.Listener.Addr().(*net.TCPAddr); ok {
		port = a.Port
	}
	return "https://" + net.JoinHostPort(host, strconv.Itoa(port)) + "/"
}

// issuerFile gives the issuer to whoever wants a tablet to trust it. It is no secret.
func (s *Screen) issuerFile(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	der := s.state.Issuer
	s.mu.Unlock()
	if s.Certificate != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/x-x509-ca-cert")
	if _, err := w.Write(der); err != nil {
		s.Log.Debug("the issuer could not be written", "error", err)
	}
}

// pair is a certificate with its key; nil is none.
type pair struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// parsePair reads what was kept, nil where it cannot be read: it is made anew.
func parsePair(certificate, key []byte) *pair {
	c, err := x509.ParseCertificate(certificate)
	if err != nil {
		return nil
	}
	k, err := x509.ParseECPrivateKey(key)
	if err != nil {
		return nil
	}
	return &pair{c, k}
}

func (p *pair) der() []byte {
	der, err := x509.MarshalECPrivateKey(p.key)
	if err != nil {
		panic(fmt.Sprintf("a key of a curve that Go knows: %v", err)) // P-256 is one
	}
	return der
}

func (p *pair) holds(at time.Time) bool {
	return p != nil && !at.Before(p.certificate.NotBefore) && at.Before(p.certificate.NotAfter)
}

func (p *pair) from(issuer *pair) bool {
	return p != nil && bytes.Equal(p.certificate.RawIssuer, issuer.certificate.RawSubject) && p.certificate.CheckSignatureFrom(issuer.certificate) == nil
}

// names reports whether a tablet that comes under any of the names finds it.
func (p *pair) names(names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return p.certificate.VerifyHostname(name) != nil })
}

// permits reports whether an issuer may vouch for all the names.
func (p *pair) permits(names []string) bool {
	return p != nil && !slices.ContainsFunc(names, func(name string) bool {
		if ip := net.ParseIP(name); ip != nil {
			return !slices.ContainsFunc(p.certificate.PermittedIPRanges, func(n *net.IPNet) bool { return n.Contains(ip) })
		}
		return !slices.Contains(p.certificate.PermittedDNSDomains, name)
	})
}

// split tells addresses from names.
func split(names []string) (dns []string, addresses []net.IP) {
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			addresses = append(addresses, ip)
		} else {
			dns = append(dns, name)
		}
	}
	return dns, addresses
}

func makeIssuer(names []string, now time.Time) (*pair, error) {
	dns, addresses := split(names)
	template := &x509.Certificate{
		NotBefore: written, NotAfter: now.AddDate(issuerYears, 0, 0), BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign, PermittedDNSDomainsCritical: true,
		// Without one name of its own it could vouch for any.
		PermittedDNSDomains: append(dns, "nrd-agent.invalid"),
	}
	for _, text := range ownRanges {
		_, n, err := net.ParseCIDR(text)
		if err != nil {
			return nil, err
		}
		template.PermittedIPRanges = append(template.PermittedIPRanges, n)
	}
	for _, ip := range addresses {
		a, _ := netip.AddrFromSlice(ip) // it was parsed from text
		a = a.Unmap()
		template.PermittedIPRanges = append(template.PermittedIPRanges, &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())})
	}
	return certified(template, "nrd-agent incab issuer", nil)
}

// issue makes a certificate for the names.
func (p *pair) issue(names []string, now time.Time) (*pair, error) {
	template := &x509.Certificate{
		NotBefore: now.AddDate(0, 0, -certificateSlack), NotAfter: now.AddDate(0, 0, certificateDays), BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	template.DNSNames, template.IPAddresses = split(names)
	return certified(template, "nrd-agent incab", p)
}

// certified makes a key and its certificate, vouched for by the issuer, or by itself
// where that is nil.
func certified(template *x509.Certificate, name string, issuer *pair) (*pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100)); err != nil {
		return nil, err
	}
	// Issuers of several units on one tablet need names of their own.
	template.Subject = pkix.Name{CommonName: name}
	parent := &pair{template, key}
	if issuer == nil {
		template.Subject.SerialNumber = template.SerialNumber.Text(36)
	} else {
		parent = issuer
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.certificate, key.Public(), parent.key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return &pair{certificate, key}, err
}
