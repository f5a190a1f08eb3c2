package incab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"time"
)

// certify takes the certificate that was given, or the screen's own, which is
// made once, so that a tablet that has come to trust it goes on doing so.
func (s *Screen) certify() error {
	if s.Certificate != nil {
		s.own = *s.Certificate
		return nil
	}
	if len(s.state.Certificate) == 0 {
		if err := s.makeCertificate(); err != nil {
			return err
		}
		if err := s.save(); err != nil {
			return err
		}
	}
	key, err := x509.ParseECPrivateKey(s.state.Key)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	s.own = tls.Certificate{Certificate: [][]byte{s.state.Certificate}, PrivateKey: key}
	return nil
}

func (s *Screen) makeCertificate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		return err
	}
	// The unit's clock may be wrong now: the certificate holds from long before,
	// and for ten years from whatever is later.
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	until := from.AddDate(10, 0, 0)
	if now := s.Clock.Now(); now.After(from) {
		until = now.AddDate(10, 0, 0)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "nrd-agent incab"},
		NotBefore: from, NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	if a, ok := s.Listener.Addr().(*net.TCPAddr); ok && !a.IP.IsUnspecified() {
		template.IPAddresses = []net.IP{a.IP}
	}
	if s.state.Certificate, err = x509.CreateCertificate(rand.Reader, template, template, key.Public(), key); err != nil {
		return err
	}
	s.state.Key, err = x509.MarshalECPrivateKey(key)
	return err
}

// address is where the page is, as far as the unit knows.
func (s *Screen) address() string {
	a, ok := s.Listener.Addr().(*net.TCPAddr)
	if ok && a.IP.IsUnspecified() {
		return fmt.Sprintf("https://THIS-UNIT:%d/", a.Port)
	}
	return fmt.Sprintf("https://%s/", s.Listener.Addr())
}
