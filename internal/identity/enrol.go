package identity

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"nrd"
	"nrd/internal/sealed"
)

// Where central answers devices over HTTPS, see docs/protocol.md.
const (
	PathEnrol = "/1/enrol"
	PathRenew = "/1/renew"
)

// MaxRequest is the longest request for a certificate, in bytes; MaxChain the
// longest answer.
const (
	MaxRequest = 16 << 10
	MaxChain   = 64 << 10
)

// The files that Enrol writes.
const (
	CAFile     = "ca.pem"
	DeviceFile = "device.pem"
)

// Enrol turns a token into an identity in dir, which is made if it is not there:
// ca.pem, and device.pem with key and certificate, the key sealed under storage
// (nil leaves it in clear). An identity that is there is replaced. address is
// central's, as https://host:port; it is trusted only when it shows the CA that
// the token names.
func Enrol(ctx context.Context, address string, token Token, dir string, storage *sealed.Key, clock nrd.Clock) error {
	pkcs8, request, err := NewRequest(token.Device)
	if err != nil {
		return err
	}
	base, err := parseAddress(address)
	if err != nil {
		return err
	}
	host := base.Hostname()
	var ca *x509.Certificate
	config := &tls.Config{
		MinVersion: tls.VersionTLS13,
		// The token, not a list of authorities, says whom to trust.
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection does it
		VerifyConnection: func(state tls.ConnectionState) (err error) {
			ca, err = pinned(state, host, token.CA, clock.Now())
			return err
		},
	}
	chain, err := post(ctx, config, address, PathEnrol, token.Text(), request)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(chain, encodePEM(privateKey, pkcs8))
	if err == nil {
		err = belongs(pair, ca)
	}
	if err == nil && pair.Leaf.Subject.CommonName != token.Device {
		err = fmt.Errorf("it is for %.80q", pair.Leaf.Subject.CommonName)
	}
	if err != nil {
		return fmt.Errorf("central's certificate for this unit is of no use: %w", err)
	}
	text, err := identityFile(pkcs8, chain, storage)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := sealed.WriteFile(filepath.Join(dir, CAFile), encodePEM(certificateBlock, ca.Raw), 0o644); err != nil {
		return err
	}
	if err := sealed.WriteFile(filepath.Join(dir, DeviceFile), text, 0o600); err != nil {
		return err
	}
	return sealed.Destroy(filepath.Join(dir, wipedFile))
}

// Renew gets a new certificate for a new key and puts both in the place of the
// old in one step; whatever happens before leaves the old ones in use.
func (c *Credential) Renew(ctx context.Context, address string) error {
	pkcs8, request, err := NewRequest(c.Device())
	if err != nil {
		return err
	}
	if c.files.Key != "" && c.files.Key != c.files.Certificate {
		return fmt.Errorf("%s, %s: key and certificate are two files, which cannot be renewed in one step; enrol the unit", c.files.Certificate, c.files.Key)
	}
	chain, err := post(ctx, c.TLS(), address, PathRenew, "", request)
	if err != nil {
		return err
	}
	return c.replace(pkcs8, chain)
}

// NewRequest makes a key and a request in PEM for a certificate in the device's
// name.
func NewRequest(device string) (pkcs8, request []byte, err error) {
	key, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	if pkcs8, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: device}}, key)
	return pkcs8, encodePEM("CERTIFICATE REQUEST", der), err
}

// pinned finds the CA with this fingerprint among what a server showed, and
// checks the server by it. A clock that is behind does not matter.
func pinned(state tls.ConnectionState, host string, fingerprint [sha256.Size]byte, now time.Time) (*x509.Certificate, error) {
	for _, ca := range state.PeerCertificates {
		if sha256.Sum256(ca.Raw) != fingerprint {
			continue
		}
		roots := x509.NewCertPool()
		roots.AddCert(ca)
		leaf := state.PeerCertificates[0]
		_, err := leaf.Verify(x509.VerifyOptions{
			Roots: roots, DNSName: host, CurrentTime: later(later(now, built()), later(leaf.NotBefore, ca.NotBefore)),
		})
		return ca, err
	}
	return nil, fmt.Errorf("%w: it does not show the CA that the token was made for", ErrOtherSite)
}

func parseAddress(address string) (*url.URL, error) {
	base, err := url.Parse(address)
	if err != nil || base.Scheme != "https" || base.Host == "" || strings.Trim(base.Path, "/") != "" {
		return nil, fmt.Errorf("central's address %q: must be https://host:port", address)
	}
	return base, nil
}

// patience bounds a request for a certificate.
const patience = time.Minute

// post asks central for a certificate and gives the chain.
func post(ctx context.Context, config *tls.Config, address, path, token string, request []byte) (chain []byte, err error) {
	base, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+base.Host+path, bytes.NewReader(request))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Content-Type", "application/pkcs10")
	if token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	transport := &http.Transport{TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Do(q)
	if err != nil {
		return nil, Explain(err)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, MaxChain))
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: %.300s", ErrRefused, bytes.TrimSpace(body))
	}
	return body, nil
}
