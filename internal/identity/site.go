// Package identity says who is who between devices and central.
//
// A site (one force's central and its devices) has a CA of its own, made with
// [NewSite] and trusted by nobody else. It issues certificates of two kinds:
//
//   - a server's, which names the hosts under which central is reached;
//   - a device's, whose common name is the device's name. That name is the
//     device's identity everywhere: in the topics it may use and in the keys of
//     its records. What a device says of itself in a message counts for nothing.
//
// Both sides of a connection check the other's certificate against the site's
// CA and nothing else: [ServerTLS] and [ClientTLS] speak TLS 1.3 only and know
// no public authority. What went wrong in a handshake is put in words by
// [Explain].
//
// The files of a site are ca.pem, ca.key and, for each certificate, name.pem and
// name.key, all PEM. The CA's key belongs on a machine that devices cannot
// reach. Central holds the key of an [Issuer] below it, which can do no more than
// issue devices' certificates and sign orders to them.
//
// A device gets its certificate with a one-time [Token]: [Enrol] makes the key on
// the device, where it stays, checks central by the CA's fingerprint in the
// token, and keeps what it is given. From then on the device's [Credential]
// renews itself.
package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"nrd"
	"nrd/internal/sealed"
)

// A certificate is valid from a little before its issue, for devices whose
// clock is behind.
const (
	backdated   = time.Hour
	caYears     = 10
	issuerYears = 5
	issuedYears = 1
)

// Site is a site's CA.
type Site struct {
	certificate *x509.Certificate
	key         crypto.Signer
	clock       nrd.Clock
}

// NewSite makes a CA that is valid for ten years and writes it to ca.pem and
// ca.key in dir, which is made if it is not there, with ca.crl, the empty list of
// the issuers that it has taken back. The error is ErrSiteExists
// where dir holds a CA already.
func NewSite(dir string, clock nrd.Clock) (*Site, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	for _, name := range []string{"ca.pem", "ca.key"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(fmt.Errorf("%s: %w", filepath.Join(dir, name), ErrSiteExists), err)
		}
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	now := clock.Now()
	template := &x509.Certificate{
		SerialNumber: serial(),
		// Every site's CA has this name. With names of their own a device of
		// another site would hold its certificate back, and central could only
		// say that none was given.
		Subject:               pkix.Name{CommonName: "NRD site CA"},
		NotBefore:             now.Add(-backdated),
		NotAfter:              now.AddDate(caYears, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLen:            1,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	if err := writePair(dir, "ca", der, key); err != nil {
		return nil, err
	}
	site, err := OpenSite(dir, clock)
	if err != nil {
		return nil, err
	}
	return site, site.writeRevoked(dir)
}

// OpenSite reads the CA that NewSite wrote to dir.
func OpenSite(dir string, clock nrd.Clock) (*Site, error) {
	certificate, err := readCertificate(filepath.Join(dir, "ca.pem"))
	if err != nil {
		return nil, err
	}
	key, err := readKey(filepath.Join(dir, "ca.key"), certificate)
	if err != nil {
		return nil, err
	}
	return &Site{certificate: certificate, key: key, clock: clock}, nil
}

// readKey reads the private key of a certificate.
func readKey(path string, of *x509.Certificate) (*ecdsa.PrivateKey, error) {
	block, err := readPEM(path, privateKey)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(of.PublicKey) {
		return nil, fmt.Errorf("%s: is not the key of the certificate beside it", path)
	}
	return key, nil
}

// IssueServer writes a certificate for central, valid for a year, to name.pem
// and name.key in dir. It is good for the hosts given: names or addresses.
func (s *Site) IssueServer(dir, name string, hosts []string) error {
	if err := validName(name); err != nil {
		return fmt.Errorf("server's certificate %q: %w", name, err)
	}
	if len(hosts) == 0 {
		return fmt.Errorf("server's certificate %q: no host is given", name)
	}
	template := &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return s.issue(dir, name, template)
}

// IssueDevice writes a certificate for a device, valid for a year, to
// device.pem and device.key in dir, where device is its name. No command does it,
// because devices enrol and keep their keys: it is for tests, and for fault runs,
// where no central runs yet. An earlier one of
// that name is replaced. The error is ErrDeviceName where the name cannot be.
func (s *Site) IssueDevice(dir, device string) error {
	if err := ValidDevice(device); err != nil {
		return err
	}
	if device == "ca" {
		return fmt.Errorf("%w, and it is not \"ca\"", ErrDeviceName)
	}
	return s.issue(dir, device, &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
}

// IssueIssuer writes the certificate of central's [Issuer], valid for five years,
// to issuer.pem and issuer.key in dir.
func (s *Site) IssueIssuer(dir string) error {
	return s.issue(dir, "issuer", &x509.Certificate{
		NotAfter:              s.clock.Now().AddDate(issuerYears, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

func (s *Site) issue(dir, name string, template *x509.Certificate) error {
	now := s.clock.Now()
	if now.After(s.certificate.NotAfter) {
		return fmt.Errorf("the site's CA: %w", ErrExpired)
	}
	key, err := newKey()
	if err != nil {
		return err
	}
	template.SerialNumber = serial()
	template.Subject = pkix.Name{CommonName: name}
	template.NotBefore = now.Add(-backdated)
	if template.NotAfter.IsZero() {
		template.NotAfter = now.AddDate(issuedYears, 0, 0)
	}
	template.KeyUsage |= x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, s.certificate, key.Public(), s.key)
	if err != nil {
		return err
	}
	return writePair(dir, name, der, key)
}

// The types of PEM blocks. A sealed key opens with the machine's storage key only.
const (
	certificateBlock = "CERTIFICATE"
	privateKey       = "PRIVATE KEY"
	sealedKey        = "SEALED PRIVATE KEY"
)

func encodePEM(kind string, content []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content})
}

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// serial draws 127 bits, so that no two certificates share one.
func serial() *big.Int {
	var b [16]byte
	rand.Read(b[:]) //nolint:errcheck // crypto/rand.Read never fails: it ends the program instead
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b[:])
}

// writePair writes the key first: a certificate that is there can be used.
func writePair(dir, name string, der []byte, key *ecdsa.PrivateKey) error {
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := sealed.WriteFile(filepath.Join(dir, name+".key"), encodePEM(privateKey, pkcs8), 0o600); err != nil {
		return err
	}
	return sealed.WriteFile(filepath.Join(dir, name+".pem"), encodePEM(certificateBlock, der), 0o644)
}

func readCertificate(path string) (*x509.Certificate, error) {
	block, err := readPEM(path, certificateBlock)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(block)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return certificate, nil
}

// readPEM gives the content of a file that is one PEM block of the given type.
func readPEM(path, kind string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s: is not a PEM file of type %s", path, kind)
	}
	return block.Bytes, nil
}
