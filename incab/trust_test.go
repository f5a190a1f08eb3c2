package incab

import (
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// tablet opens a browser that checks certificates, as a tablet does, and was told
// to trust these issuers. The unit's names lead to it.
func (c *cab) tablet(issuers ...*x509.Certificate) *chromium {
	c.t.Helper()
	home := c.t.TempDir()
	known := filepath.Join(home, ".pki", "nssdb")
	must(c.t, os.MkdirAll(known, 0o700))
	certutil := func(args ...string) {
		c.t.Helper()
		if said, err := exec.Command("certutil", append(args, "-d", "sql:"+known)...).CombinedOutput(); err != nil {
			c.t.Fatalf("certutil (apt-get install libnss3-tools, or make deps-test): %v %s", err, said)
		}
	}
	certutil("-N", "--empty-password")
	for _, issuer := range issuers {
		file := filepath.Join(home, "issuer.crt")
		must(c.t, os.WriteFile(file, issuer.Raw, 0o600))
		certutil("-A", "-n", "the unit's issuer", "-t", "C,,", "-i", file)
	}
	return c.open(chromedp.Env("HOME="+home), chromedp.Flag("host-resolver-rules", "MAP *.example.police.uk 127.0.0.1"))
}

// refuses wants a browser to warn of the page, for a reason, and not to show it.
func (c *chromium) refuses(address, reason string) {
	c.Helper()
	if err := c.Try(chromedp.Navigate(address)); err == nil || !strings.Contains(err.Error(), reason) {
		c.Errorf("%s: the browser says %v, want %s", address, err, reason)
	}
}

func TestARealBrowserThatChecksTheCertificateOpensThePageOnceItTrustsTheIssuerAndOnlyThen(t *testing.T) {
	c := newCab(t)
	c.stop()
	c.kept = nil
	c.hand.Advance(time.Since(began)) // the browser goes by the real time
	c.isCalled("car-7.example.police.uk")
	c.start()
	called := func(name string) string { return strings.Replace(c.url, "127.0.0.1", name, 1) }

	c.tablet().refuses(c.url, "ERR_CERT_AUTHORITY_INVALID")

	b := c.tablet(c.issuer())
	b.Do(chromedp.Navigate(c.url))
	b.See("the page under its address", `document.querySelector("#code").checkVisibility() && window.isSecureContext`)
	b.pair("observer")
	b.signOn("1234")
	b.See("the page under its name", `location.hostname === "car-7.example.police.uk"`)
	b.refuses(called("car-8.example.police.uk"), "ERR_CERT_COMMON_NAME_INVALID")
}
