package identity

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"nrd"
	"nrd/internal/sealed"
)

// Files are where a device's identity is kept. Certificate holds the chain, Key
// the key; where Key is "" both are in one file, so that they change in one step.
type Files struct{ CA, Certificate, Key string }

func (f Files) key() string {
	if f.Key == "" {
		return f.Certificate
	}
	return f.Key
}

// beside is a file in the certificate's folder.
func (f Files) beside(name string) string { return filepath.Join(filepath.Dir(f.Certificate), name) }

// keyPurpose is what the key is derived for that seals a device's private key.
const keyPurpose = "device identity"

// Credential is a device's own identity while it is in use: connections that are
// made after a renewal show the new certificate.
type Credential struct {
	files   Files
	storage *sealed.Key
	clock   nrd.Clock
	ca      *x509.Certificate
	pool    *x509.CertPool

	mu      sync.Mutex
	pair    tls.Certificate
	good    time.Time
	revoked revoked
}

// OpenCredential reads a device's identity. storage opens a key that is sealed;
// it may be nil for one that is not.
func OpenCredential(files Files, storage *sealed.Key, clock nrd.Clock) (*Credential, error) {
	c := &Credential{files: files, storage: storage, clock: clock, pool: x509.NewCertPool()}
	if note, err := os.ReadFile(files.beside(wipedFile)); err == nil {
		return nil, fmt.Errorf("%w (%s)", ErrWiped, strings.TrimSpace(string(note)))
	}
	var err error
	if c.ca, err = readCertificate(files.CA); err != nil {
		return nil, err
	}
	c.pool.AddCert(c.ca)
	if c.pair, err = c.load(); err != nil {
		return nil, err
	}
	// One that is damaged is no worse than none: central has it.
	c.revoked, _ = readRevoked(c.revokedFile(), c.ca)
	if text, err := os.ReadFile(files.beside(timeFile)); err == nil {
		// One that makes no sense is no worse than none.
		c.good, _ = time.Parse(time.RFC3339, strings.TrimSpace(string(text)))
	}
	return c, nil
}

func (c *Credential) load() (tls.Certificate, error) {
	chain, err := os.ReadFile(c.files.Certificate)
	if err != nil {
		return tls.Certificate{}, err
	}
	text, err := os.ReadFile(c.files.key())
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := unseal(text, c.storage)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s: %w", c.files.key(), err)
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s, %s: %w", c.files.Certificate, c.files.key(), err)
	}
	if err := belongs(pair, c.ca); err != nil {
		return tls.Certificate{}, fmt.Errorf("%s with %s: %w", c.files.Certificate, c.files.CA, err)
	}
	return pair, nil
}

// unseal gives the private key of a PEM file, opened where it is sealed.
func unseal(text []byte, storage *sealed.Key) ([]byte, error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != sealedKey {
			continue
		}
		if storage == nil {
			return nil, ErrSealed
		}
		pkcs8, err := storage.Derive(keyPurpose).Open(block.Bytes, nil)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSealed, err)
		}
		return encodePEM(privateKey, pkcs8), nil
	}
	return text, nil
}

// belongs checks that a chain leads to the CA, whatever the time.
func belongs(pair tls.Certificate, ca *x509.Certificate) error {
	above := ca
	if len(pair.Certificate) > 1 {
		issuer, err := x509.ParseCertificate(pair.Certificate[1])
		if err != nil {
			return err
		}
		if err := issuer.CheckSignatureFrom(ca); err != nil {
			return fmt.Errorf("%w: %w", ErrOtherSite, err)
		}
		above = issuer
	}
	if err := pair.Leaf.CheckSignatureFrom(above); err != nil {
		return fmt.Errorf("%w: %w", ErrOtherSite, err)
	}
	return nil
}

// Leaf is the certificate in use.
func (c *Credential) Leaf() *x509.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pair.Leaf
}

// Authority is the site's CA.
func (c *Credential) Authority() *x509.Certificate { return c.ca }

// Device is the name in the certificate, Enrolment the number beside it.
func (c *Credential) Device() string { return c.Leaf().Subject.CommonName }

// Enrolment tells one enrolment of a device from another; "" for a certificate
// that was not issued by an enrolment.
func (c *Credential) Enrolment() string { return c.Leaf().Subject.SerialNumber }

// TLS configures connections to central, like [ClientTLS], with the certificate
// that is in use when a connection is made.
func (c *Credential) TLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		RootCAs:    c.pool,
		Time:       c.Now,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			pair := c.pair
			return &pair, nil
		},
	}
}

// Now is the time by which certificates are judged. A clock that nothing proves
// may stand in 1970, and a unit that could then not reach central could not be
// helped from there. So it is never before this program was built and the
// certificates were issued, nor, while the clock is unproved, before the last
// time that was known to be right.
func (c *Credential) Now() time.Time {
	stamp := c.clock.Stamp()
	c.mu.Lock()
	defer c.mu.Unlock()
	now := later(later(stamp.UTC, built()), later(c.pair.Leaf.NotBefore, c.ca.NotBefore))
	if !stamp.Proved {
		now = later(now, c.good)
	}
	return now
}

// goodEvery is how often the last good time is written down.
const goodEvery = time.Hour

// KeepTime writes down that the clock is right, for a start without a clock. It
// may be called often.
func (c *Credential) KeepTime() error {
	stamp := c.clock.Stamp()
	c.mu.Lock()
	defer c.mu.Unlock()
	// What lies behind the certificate's end helps nobody, and may be wrong.
	if !stamp.Proved || stamp.UTC.Sub(c.good).Abs() < goodEvery || stamp.UTC.After(c.pair.Leaf.NotAfter) {
		return nil
	}
	if err := sealed.WriteFile(c.files.beside(timeFile), []byte(stamp.UTC.Format(time.RFC3339)+"\n"), 0o600); err != nil {
		return err
	}
	c.good = stamp.UTC
	return nil
}

// timeFile holds the last time that was known to be right.
const timeFile = "last-good-time"

// Due says that two thirds of the certificate's life are over, or that its issuer
// was taken back: it is to be renewed.
func (c *Credential) Due() bool {
	if c.issuerRevoked() {
		return true
	}
	leaf := c.Leaf()
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	return c.Now().After(leaf.NotAfter.Add(-life / 3))
}

// replace puts a new key and certificate in the place of the old, in one step.
func (c *Credential) replace(pkcs8, chain []byte) error {
	text, err := identityFile(pkcs8, chain, c.storage)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(chain, encodePEM(privateKey, pkcs8))
	if err != nil {
		return err
	}
	if err := belongs(pair, c.ca); err != nil {
		return err
	}
	old := c.Leaf().Subject
	if pair.Leaf.Subject.CommonName != old.CommonName || pair.Leaf.Subject.SerialNumber != old.SerialNumber {
		return fmt.Errorf("%w: the new certificate is for %.80q", ErrRefused, pair.Leaf.Subject)
	}
	if err := sealed.WriteFile(c.files.Certificate, text, 0o600); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pair = pair
	return nil
}

// wipedFile says that there was an identity, and why it is gone.
const wipedFile = "wiped"

// MarkWiped leaves a note in the identity's place, which OpenCredential answers
// with ErrWiped from then on. It comes before anything is destroyed, so that
// whoever finds it after a power cut knows to go on.
func (f Files) MarkWiped(note string) error {
	return sealed.WriteFile(f.beside(wipedFile), []byte(note+"\n"), 0o600)
}

// Destroy destroys the identity on disk, all but the CA's certificate and the note
// of MarkWiped. Connections that are open stay open.
func (f Files) Destroy() error {
	return errors.Join(
		sealed.Destroy(f.key()), sealed.Destroy(f.Certificate), sealed.Destroy(f.beside(RevokedFile)), sealed.Destroy(f.beside(timeFile)),
	)
}

// identityFile is the key, sealed where there is a storage key, and the chain.
func identityFile(pkcs8, chain []byte, storage *sealed.Key) ([]byte, error) {
	if len(bytes.TrimSpace(chain)) == 0 {
		return nil, errors.New("there is no certificate")
	}
	key := encodePEM(privateKey, pkcs8)
	if storage != nil {
		key = encodePEM(sealedKey, storage.Derive(keyPurpose).Seal(pkcs8, nil))
	}
	return append(key, chain...), nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// built is when the source of this program was committed; zero where the build
// does not say.
var built = sync.OnceValue(func() time.Time {
	var at time.Time
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" {
				at, _ = time.Parse(time.RFC3339, s.Value) // zero where it makes no sense
			}
		}
	}
	return at
})
