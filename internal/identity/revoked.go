package identity

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"nrd/internal/sealed"
)

// RevokedFile is the list, signed by the site's CA, of the issuers that it has
// taken back: in the site's folder, and beside a device's identity.
const RevokedFile = "ca.crl"

// PathRevoked is where central gives that list to devices.
const PathRevoked = "/1/revoked"

// MaxRevoked is the longest such list, in bytes.
const MaxRevoked = 64 << 10

const revokedList = "X509 CRL"

// revoked is a list of revoked certificates as it was signed; nil is an empty one.
type revoked struct{ *x509.RevocationList }

// holds reports whether a certificate's number is on the list.
func (r revoked) holds(serial *big.Int) bool {
	if r.RevocationList == nil {
		return false
	}
	for _, e := range r.RevokedCertificateEntries {
		if e.SerialNumber.Cmp(serial) == 0 {
			return true
		}
	}
	return false
}

// parseRevoked reads a list in PEM and checks that the CA has signed it. The
// error is ErrRevokedList.
func parseRevoked(text []byte, ca *x509.Certificate) (revoked, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != revokedList {
		return revoked{}, fmt.Errorf("%w: it is not a PEM file of type %s", ErrRevokedList, revokedList)
	}
	list, err := x509.ParseRevocationList(block.Bytes)
	if err == nil {
		err = list.CheckSignatureFrom(ca)
	}
	if err == nil && list.Number == nil {
		err = errors.New("it has no number")
	}
	if err != nil {
		return revoked{}, fmt.Errorf("%w: %w", ErrRevokedList, err)
	}
	return revoked{list}, nil
}

// readRevoked is parseRevoked for a file, which need not be there.
func readRevoked(path string, ca *x509.Certificate) (revoked, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return revoked{}, nil
	}
	if err != nil {
		return revoked{}, err
	}
	r, err := parseRevoked(text, ca)
	if err != nil {
		return r, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// signRevoked makes a list in PEM.
func signRevoked(issuer *x509.Certificate, key crypto.Signer, number *big.Int, serials []*big.Int, now, next time.Time) ([]byte, error) {
	template := &x509.RevocationList{Number: number, ThisUpdate: now.Add(-backdated), NextUpdate: next}
	for _, serial := range serials {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: serial, RevocationTime: now})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, issuer, key)
	if err != nil {
		return nil, err
	}
	return encodePEM(revokedList, der), nil
}

// writeRevoked adds certificates to the site's list in dir, or begins it. It holds
// as long as the CA does: devices take none that is older than the one they have.
func (s *Site) writeRevoked(dir string, more ...*big.Int) error {
	path := filepath.Join(dir, RevokedFile)
	before, err := readRevoked(path, s.certificate)
	if err != nil {
		return err
	}
	number, serials := big.NewInt(1), more
	if before.RevocationList != nil {
		number.Add(before.Number, number)
		for _, e := range before.RevokedCertificateEntries {
			serials = append(serials, e.SerialNumber)
		}
	}
	text, err := signRevoked(s.certificate, s.key, number, serials, s.clock.Now(), s.certificate.NotAfter)
	if err != nil {
		return err
	}
	return sealed.WriteFile(path, text, 0o644)
}

// ReplaceIssuer takes the issuer in dir back, whose key may be in other hands, and
// makes another: the old one's number is put on the site's list first. Devices
// that know the list obey no order of the old one any more, and renew the
// certificates that they have from it.
func (s *Site) ReplaceIssuer(dir string) error {
	old, err := readCertificate(filepath.Join(dir, "issuer.pem"))
	if err != nil {
		return err
	}
	if err := s.writeRevoked(dir, old.SerialNumber); err != nil {
		return err
	}
	return s.IssueIssuer(dir)
}

// revokedLife is how long a list of revoked devices holds: a broker that got no
// newer one for so long lets nobody in.
const revokedLife = 7 * 24 * time.Hour

// RevokedDevices makes a list, in PEM, of devices' certificates that are good no
// more, for brokers of another make; serials are hexadecimal. The site's own list
// belongs behind it: see [Site.ReplaceIssuer].
func (i *Issuer) RevokedDevices(serials []string) ([]byte, error) {
	numbers := make([]*big.Int, 0, len(serials))
	for _, text := range serials {
		n, ok := new(big.Int).SetString(text, 16)
		if !ok {
			return nil, fmt.Errorf("%q is no number of a certificate", text)
		}
		numbers = append(numbers, n)
	}
	now := i.clock.Now()
	return signRevoked(i.certificate, i.key, big.NewInt(now.Unix()), numbers, now, now.Add(revokedLife))
}

// LearnRevoked asks central for the site's list and keeps it, where it is newer
// than the one that is known.
func (c *Credential) LearnRevoked(ctx context.Context, address string) error {
	text, err := c.fetchRevoked(ctx, address)
	if err != nil {
		return err
	}
	list, err := parseRevoked(text, c.ca)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.revoked.RevocationList != nil && list.Number.Cmp(c.revoked.Number) <= 0 {
		return nil
	}
	if err := sealed.WriteFile(c.revokedFile(), text, 0o600); err != nil {
		return err
	}
	c.revoked = list
	return nil
}

func (c *Credential) fetchRevoked(ctx context.Context, address string) ([]byte, error) {
	base, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+base.Host+PathRevoked, nil)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{TLSClientConfig: c.TLS()}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Do(q)
	if err != nil {
		return nil, Explain(err)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, MaxRevoked))
	if err = errors.Join(err, answer.Body.Close()); err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%w: central answers %s", ErrRevokedList, answer.Status)
	}
	return text, err
}

func (c *Credential) revokedFile() string { return c.files.beside(RevokedFile) }

// Verify checks that an order was signed by an issuer of the site's that was not
// taken back. The error is ErrSignature.
func (c *Credential) Verify(order, signature, certificate []byte) error {
	issuer, err := verify(c.ca, c.Now(), order, signature, certificate)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.revoked.holds(issuer.SerialNumber) {
		return fmt.Errorf("%w: the issuer was taken back", ErrSignature)
	}
	return nil
}

// issuerRevoked says that the issuer of the certificate in use was taken back.
func (c *Credential) issuerRevoked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pair.Certificate) < 2 {
		return false
	}
	issuer, err := x509.ParseCertificate(c.pair.Certificate[1])
	return err == nil && c.revoked.holds(issuer.SerialNumber)
}
