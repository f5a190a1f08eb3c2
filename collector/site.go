package collector

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"nrd/internal/clock"
	"nrd/internal/identity"
	"nrd/internal/sealed"
)

// NewSite says what a site is to be made with.
type NewSite struct {
	// Dir is the site's folder; it must not hold a site already.
	Dir string
	// Hosts are the names and addresses under which central is reached.
	Hosts []string
	// Data is the folder of the store; empty: data beside the configuration.
	Data string
	// Ingest, Fleet and Page are the addresses to listen on; empty for the
	// sample's. Where Ingest takes any free port, so do Fleet and Lists.
	Ingest, Fleet, Lists, Page string
}

// InitSite makes a site in a folder:
//
//	ca.pem, ca.key            the site's own CA; the key belongs elsewhere once the site is set up
//	ca.crl                    the CA's list of issuers that were taken back
//	issuer.pem, issuer.key    what central issues devices' certificates with
//	central.pem, central.key  central's certificate, for devices and for the page
//	master.key                what the store is encrypted with
//	trust/                    the keys of the signed repository of lists; root-N.key belong elsewhere too
//	central.toml              the configuration, with data/ beside it
func InitSite(n NewSite) error {
	if len(n.Hosts) == 0 {
		return fmt.Errorf("%w: a site needs the names or addresses under which central is reached", ErrInvalid)
	}
	settings, err := siteConfig(n)
	if err != nil {
		return err
	}
	site, err := identity.NewSite(n.Dir, clock.System())
	if err != nil {
		return err
	}
	if err := errors.Join(site.IssueServer(n.Dir, "central", n.Hosts), site.IssueIssuer(n.Dir)); err != nil {
		return err
	}
	if _, err := sealed.CreateKey(filepath.Join(n.Dir, "master.key")); err != nil {
		return err
	}
	if err := sealed.WriteFile(filepath.Join(n.Dir, "central.toml"), settings, 0o644); err != nil {
		return err
	}
	return initTrust(site, n.Dir, rootKeys, rootThreshold)
}

// RenewServer issues central's certificate and its issuer's anew.
func RenewServer(dir string, hosts []string) error {
	site, err := identity.OpenSite(dir, clock.System())
	if err != nil {
		return err
	}
	return errors.Join(site.IssueServer(dir, "central", hosts), site.IssueIssuer(dir))
}

// ReplaceIssuer takes central's issuer back and makes another, where the key of
// the old one may be in other hands.
func ReplaceIssuer(dir string) error {
	site, err := identity.OpenSite(dir, clock.System())
	if err != nil {
		return err
	}
	return site.ReplaceIssuer(dir)
}

// copyCA makes a folder beside a site's and puts the CA's certificate in it.
func copyCA(dir, folder string) error {
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	return sealed.WriteFile(filepath.Join(folder, "ca.pem"), ca, 0o644)
}

// siteConfig is the sample with the site's own addresses and data folder.
func siteConfig(n NewSite) ([]byte, error) {
	text := Sample
	for _, change := range []struct{ from, to string }{
		{`data = "/var/lib/central"`, fmt.Sprintf("data = %q", cmp.Or(n.Data, "data"))},
		{`listen = ":8883"`, listenLine(n.Ingest, ":8883")},
		{`listen = ":8444"`, listenLine(n.free(n.Fleet), ":8444")},
		{`listen = ":8445"`, listenLine(n.free(n.Lists), ":8445")},
		{`listen = ":8443"`, listenLine(n.Page, ":8443")},
	} {
		if bytes.Count(text, []byte(change.from)) != 1 {
			return nil, fmt.Errorf("the sample configuration has no single line %s", change.from)
		}
		text = bytes.Replace(text, []byte(change.from), []byte(change.to), 1)
	}
	return text, nil
}

// free gives an address beside that of Ingest.
func (n NewSite) free(address string) string {
	if host, port, err := net.SplitHostPort(n.Ingest); address == "" && err == nil && port == "0" {
		return net.JoinHostPort(host, port)
	}
	return address
}

func listenLine(address, otherwise string) string {
	if address == "" {
		address = otherwise
	}
	return fmt.Sprintf("listen = %q", address)
}
