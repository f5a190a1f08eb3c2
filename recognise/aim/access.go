package aim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// access says who may see the page. Where it is served to this machine alone,
// everybody who comes from it; elsewhere, who has given a code. A code lets one
// browser in, once, and the next one is printed.
type access struct {
	open     bool
	terminal io.Writer

	mu       sync.Mutex
	code     string
	wrong    int
	sessions map[[sha256.Size]byte]bool
}

const (
	cookie = "nrd_aim"
	// codeSigns are 32 that are not taken for one another: 8 of them are 40
	// bits. A code that was guessed at mostWrong times is replaced.
	codeSigns  = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
	codeLength = 8
	mostWrong  = 5
)

func newAccess(open bool, terminal io.Writer) *access {
	a := &access{open: open, terminal: terminal, sessions: map[[sha256.Size]byte]bool{}}
	if !open {
		a.newCode()
	}
	return a
}

// newCode makes a code and prints it.
func (a *access) newCode() {
	random := make([]byte, codeLength)
	_, _ = rand.Read(random) // never fails
	for i, b := range random {
		random[i] = codeSigns[int(b)%len(codeSigns)]
	}
	a.code, a.wrong = string(random), 0
	fmt.Fprintf(a.terminal, "Code for the next browser, good once: %s-%s\n", a.code[:4], a.code[4:])
}

// enter gives a session for a code.
func (a *access) enter(code string) (session string, ok bool) {
	code = strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(code))
	a.mu.Lock()
	defer a.mu.Unlock()
	if subtle.ConstantTimeCompare([]byte(code), []byte(a.code)) != 1 {
		if a.wrong++; a.wrong >= mostWrong {
			fmt.Fprintf(a.terminal, "%d wrong codes were given.\n", a.wrong)
			a.newCode()
		}
		return "", false
	}
	session = rand.Text()
	a.sessions[sha256.Sum256([]byte(session))] = true
	fmt.Fprintln(a.terminal, "A browser gave the code and sees the page.")
	a.newCode()
	return session, true
}

// admits reports whether a request comes from who may see the page.
func (a *access) admits(r *http.Request) bool {
	if a.open {
		// Another site's page must not reach this one through a name of its
		// own that leads here.
		return ownHost(r.Host)
	}
	c, err := r.Cookie(cookie)
	if err != nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sessions[sha256.Sum256([]byte(c.Value))]
}

// ownHost reports whether a Host header names this machine to itself.
func ownHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// certificate makes one for this run. Nobody knows it, so its digest is printed
// for comparing.
func certificate(address net.IP, now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		return tls.Certificate{}, err
	}
	// A unit's clock may be wrong before it has been set.
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "nrd-agent aim"},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(7 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	if address != nil && !address.IsUnspecified() {
		template.IPAddresses = []net.IP{address}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
