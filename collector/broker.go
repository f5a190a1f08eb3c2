package collector

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"

	"nrd/collector/ingest"
	"nrd/internal/clock"
	"nrd/internal/config"
	"nrd/internal/identity"
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
	return errors.Join(site.IssueServer(folder, "broker", hosts), site.IssueCentral(dir))
}
