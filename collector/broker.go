package collector

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"

	"nrd/collector/ingest"
	"nrd/internal/clock"
	"nrd/internal/config"
	"nrd/internal/identity"
	"nrd/internal/sealed"
)

// BrokerConfig names a broker that takes the place of central's own. Central is
// its client then, and the broker's access rules say who may publish what:
// packaging/mosquitto and packaging/rabbitmq have them.
type BrokerConfig struct {
	// External is its address, tls://host:port; empty: central's own.
	External string `toml:"external"`
	// Certificate and Key are central's own for it ("central site broker"
	// makes them); the CA is ingest's.
	Certificate string `toml:"certificate"`
	Key         string `toml:"key"`
	// Group lets several centrals share the work, see ingest.Broker.
	Group string `toml:"group"`
}

func (b *BrokerConfig) resolve(file string) {
	b.Certificate, b.Key = config.Path(file, b.Certificate), config.Path(file, b.Key)
}

var groupName = regexp.MustCompile(`^[a-z0-9-]{0,64}$`)

func (b *BrokerConfig) check(say func(key, format string, args ...any)) {
	if b.External == "" {
		return
	}
	u, err := url.Parse(b.External)
	if err != nil || u.Scheme != "tls" || u.Hostname() == "" || u.Port() == "" {
		say("broker.external", "%q must be tls://host:port", b.External)
	}
	if b.Certificate == "" || b.Key == "" {
		say("broker", "needs certificate and key")
	}
	if !groupName.MatchString(b.Group) {
		say("broker.group", "%q is no name of a-z, 0-9 and hyphen", b.Group)
	}
}

// revokedIssuers is the site's list of issuers that were taken back.
func (c *Config) revokedIssuers() string {
	return filepath.Join(filepath.Dir(c.Ingest.CA), identity.RevokedFile)
}

// revoked is the list that central writes for a broker of another make.
func (c *Config) revoked() string { return filepath.Join(c.Data, "revoked.crl") }

// client gives central's way to the broker; nil where it has its own.
func (b *BrokerConfig) client(ca string) (*ingest.Broker, error) {
	if b.External == "" {
		return nil, nil
	}
	tls, err := identity.ClientTLS(ca, b.Certificate, b.Key)
	if err != nil {
		return nil, err
	}
	return &ingest.Broker{Address: b.External, TLS: tls, Group: b.Group}, nil
}

// IssueBroker makes what a broker of another make needs in a site's folder:
//
//	broker/ca.pem, broker.pem, broker.key   for the broker
//	broker/revoked.crl                      who is not let in any more; central keeps it up to date in its data folder
//	nrd_central.pem, nrd_central.key        central's own certificate for it
func IssueBroker(dir string, hosts []string) error {
	site, err := identity.OpenSite(dir, clock.System())
	if err != nil {
		return err
	}
	folder := filepath.Join(dir, "broker")
	if err := copyCA(dir, folder); err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	return errors.Join(site.IssueServer(folder, "broker", hosts), site.IssueCentral(dir), revokedAtFirst(dir, folder))
}

// revokedAtFirst writes the list with which a broker begins: nobody is on it, for
// central does not run yet, or writes the next at once.
func revokedAtFirst(dir, folder string) error {
	file := func(name string) string { return filepath.Join(dir, name) }
	issuer, err := identity.OpenIssuer(file("ca.pem"), file("issuer.pem"), file("issuer.key"), clock.System())
	if err != nil {
		return err
	}
	list, err := issuer.RevokedDevices(nil)
	if err != nil {
		return err
	}
	issuers, err := os.ReadFile(file(identity.RevokedFile))
	if err != nil {
		return err
	}
	return sealed.WriteFile(filepath.Join(folder, "revoked.crl"), append(list, issuers...), 0o644)
}
