package identity

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"slices"
	"time"

	"nrd"
)

// Issuer is central's part of the site's CA: it issues certificates to devices
// and signs orders to them. Its certificate is good for nothing else; whoever
// steals its key can pose as a device, but not as central.
type Issuer struct {
	ca, certificate *x509.Certificate
	key             *ecdsa.PrivateKey
	clock           nrd.Clock
}

// OpenIssuer reads what [Site.IssueIssuer] wrote; ca, certificate and key are PEM
// files.
func OpenIssuer(ca, certificate, key string, clock nrd.Clock) (*Issuer, error) {
	authority, err := readCertificate(ca)
	if err != nil {
		return nil, err
	}
	own, err := readCertificate(certificate)
	if err != nil {
		return nil, err
	}
	if err := own.CheckSignatureFrom(authority); err != nil {
		return nil, fmt.Errorf("%s with %s: %w: %w", certificate, ca, ErrOtherSite, err)
	}
	if !own.IsCA {
		return nil, fmt.Errorf("%s: %w", certificate, ErrWrongUse)
	}
	k, err := readKey(key, own)
	if err != nil {
		return nil, err
	}
	return &Issuer{ca: authority, certificate: own, key: k, clock: clock}, nil
}

// CA is the fingerprint of the site's CA (SHA-256 of the certificate), Authority
// the certificate.
func (i *Issuer) CA() [sha256.Size]byte { return sha256.Sum256(i.ca.Raw) }

// Authority is the site's CA.
func (i *Issuer) Authority() *x509.Certificate { return i.ca }

// Issued is a certificate for a device.
type Issued struct {
	// Chain is PEM: the certificate, then the issuer's.
	Chain []byte
	// Serial is the certificate's number in hexadecimal, Fingerprint its SHA-256,
	// NotAfter its end.
	Serial, Fingerprint string
	NotAfter            time.Time
}

// Issue makes a certificate, valid for a year, of a request in PEM (PKCS #10)
// that names the device as its common name and nothing that matters besides.
// enrolment is written beside the name. The error is ErrRequest.
func (i *Issuer) Issue(request []byte, device, enrolment string) (Issued, error) {
	if err := ValidDevice(device); err != nil {
		return Issued{}, err
	}
	r, err := parseRequest(request)
	if err != nil {
		return Issued{}, err
	}
	if r.Subject.CommonName != device {
		return Issued{}, fmt.Errorf("%w: it is for %.80q, and may only be for %q", ErrRequest, r.Subject.CommonName, device)
	}
	now := i.clock.Now()
	end := now.AddDate(issuedYears, 0, 0)
	if end.After(i.certificate.NotAfter) {
		end = i.certificate.NotAfter
	}
	if !now.Before(end) {
		return Issued{}, fmt.Errorf("the site's issuer: %w", ErrExpired)
	}
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: device, SerialNumber: enrolment},
		NotBefore:    now.Add(-backdated),
		NotAfter:     end,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, i.certificate, r.PublicKey, i.key)
	if err != nil {
		return Issued{}, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	chain := append(encodePEM(certificateBlock, der), encodePEM(certificateBlock, i.certificate.Raw)...)
	return Issued{Chain: chain, Serial: template.SerialNumber.Text(16), Fingerprint: fingerprint(der), NotAfter: end.UTC()}, nil
}

func parseRequest(text []byte) (*x509.CertificateRequest, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, fmt.Errorf("%w: it is not a PEM file of type CERTIFICATE REQUEST", ErrRequest)
	}
	r, err := x509.ParseCertificateRequest(block.Bytes)
	if err == nil {
		err = r.CheckSignature()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	switch key := r.PublicKey.(type) {
	case *ecdsa.PublicKey, ed25519.PublicKey:
	case *rsa.PublicKey:
		if key.N.BitLen() < 2048 {
			return nil, fmt.Errorf("%w: an RSA key has at least 2048 bits", ErrRequest)
		}
	default:
		return nil, fmt.Errorf("%w: its key is of an unknown kind", ErrRequest)
	}
	return r, nil
}

// signed is what stands before an order where it is signed, so that no signature
// made for something else can pass for an order's.
const signed = "NRD order 1\n"

func orderDigest(order []byte) []byte {
	sum := sha256.Sum256(append([]byte(signed), order...))
	return sum[:]
}

// Sign signs an order. certificate is the issuer's, DER, for
// [Credential.Verify].
func (i *Issuer) Sign(order []byte) (signature, certificate []byte, err error) {
	signature, err = ecdsa.SignASN1(rand.Reader, i.key, orderDigest(order))
	return signature, i.certificate.Raw, err
}

// verify checks that an order was signed by an issuer of the CA's, and gives the
// issuer. The error is ErrSignature.
func verify(ca *x509.Certificate, now time.Time, order, signature, certificate []byte) (*x509.Certificate, error) {
	issuer, err := x509.ParseCertificate(certificate)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	_, err = issuer.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	key, ok := issuer.PublicKey.(*ecdsa.PublicKey)
	// A device's certificate has no right to issue, and none to sign orders.
	if !ok || !issuer.IsCA || !slices.Equal(issuer.RawIssuer, ca.RawSubject) || !ecdsa.VerifyASN1(key, orderDigest(order), signature) {
		return nil, ErrSignature
	}
	return issuer, nil
}
