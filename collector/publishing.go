package collector

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"nrd"
	"nrd/collector/fleet"
	"nrd/collector/ingest"
	"nrd/collector/lists"
	"nrd/collector/publish"
	"nrd/internal/clock"
	"nrd/internal/identity"
	"nrd/internal/limit"
	"nrd/internal/sealed"
	"nrd/internal/trust"
)

// PublishConfig is where devices get lists, over HTTPS with the certificate of
// ingest, and the folder of the signed repository's keys.
type PublishConfig struct {
	Listen string `toml:"listen"`
	Trust  string `toml:"trust"`
}

// published is the folder of what is published.
func (c *Config) published() string { return filepath.Join(c.Data, "published") }

// publishing is the way of lists to the devices.
type publishing struct {
	*publish.Publisher
	listener net.Listener
}

// publisher makes the way of lists to the devices. A site that has no keys for it
// yet gives no lists, and says so.
func (c *Central) publisher(ctx context.Context, r *rooms, devices *ingest.Ingest) (*publishing, error) {
	s := c.Config.Publish
	signer, err := trust.OpenOnline(s.Trust)
	if errors.Is(err, fs.ErrNotExist) {
		c.Log.Warn("no lists are published: this site has no keys to sign them; make them with central trust init", "folder", s.Trust)
		r.lists.Signing = func() lists.Signing { return signing(time.Time{}, time.Time{}, c.Config.Clock.Now()) }
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w:\n%s: publish.trust: %w", ErrConfiguration, c.Config.file, err)
	}
	key, err := sealed.LoadKey(c.Config.Key)
	if err != nil {
		return nil, err
	}
	p := &publish.Publisher{
		Dir: c.Config.published(), Key: key, Signer: signer, Devices: r.fleet.Approved, Admit: r.fleet.Admit, Notice: devices.Notice,
		Clock: c.Config.Clock, Log: c.Log,
	}
	if err := p.Initialize(ctx); err != nil {
		return nil, err
	}
	devices.Notice(p.Number())
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.Listen)
	if err != nil {
		return nil, fmt.Errorf("%s: publish.listen: %w", c.Config.file, err)
	}
	address := l.Addr()
	c.lists.Store(&address)
	r.lists.Publisher = toUnits{p}
	r.lists.Signing = func() lists.Signing { return signing(signer.Expires(), p.Signed(), c.Config.Clock.Now()) }
	return &publishing{p, l}, nil
}

// trustWarning is how long before its end the root should be renewed.
const trustWarning = 60 * 24 * time.Hour

// signing says what is wrong with the root's keys, which end at a time, the zero time
// for none, and with metadata that was signed last at another.
func signing(ends, last, now time.Time) (s lists.Signing) {
	if ends.IsZero() {
		s.Keys = "no unit gets a list: this site has no keys to sign them; make them with central trust init, and start central anew"
		return s
	}
	if ends.Sub(now) < trustWarning {
		s.Keys = fmt.Sprintf("the root of the keys ends on %s, and units take no list after that: renew it with central trust renew, and start central anew", ends.UTC().Format(time.DateOnly))
	}
	if age := now.Sub(last); age > trust.Life/2 {
		s.Late = fmt.Sprintf("what units may have was signed %d hours ago and cannot be signed anew; central's log says why", int(age.Hours()))
	}
	return s
}

// Lists is where devices get lists, once OnReady was called; nil where they get
// none.
func (c *Central) Lists() net.Addr {
	if a := c.lists.Load(); a != nil {
		return *a
	}
	return nil
}

func (p *publishing) close() error {
	if p == nil {
		return nil
	}
	return p.listener.Close()
}

// servePublished serves lists to devices until ctx ends.
func (c *Central) servePublished(ctx context.Context, p *publishing) error {
	s := c.Config.Ingest
	tls, err := identity.ServerTLS(s.CA, s.Certificate, s.Key)
	if err != nil {
		return errors.Join(fmt.Errorf("%w:\n%s: ingest: %w", ErrConfiguration, c.Config.file, err), p.close())
	}
	tls.NextProtos = []string{"http/1.1"}
	server := &http.Server{
		Handler: p.Handler(), TLSConfig: tls, MaxHeaderBytes: 8 << 10,
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 20 * time.Second, IdleTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
	}
	l := limit.Listener(server, p.listener, fleet.MaxConnections, limit.Certified)
	return serve(ctx, server, func() error { return server.ServeTLS(l, "", "") })
}

// toUnits is the publisher as the lists' room knows it.
type toUnits struct{ p *publish.Publisher }

func (u toUnits) Publish(ctx context.Context, l lists.Publication, entries iter.Seq2[nrd.Entry, error]) error {
	out := publish.List{Name: l.Name, Version: l.Version, Made: l.Made, Expires: l.Expires, Near: l.Near, Status: l.Status}
	if len(l.Recipients) > 0 {
		out.Recipients = l.Recipients
	}
	err := u.p.Publish(ctx, out, entries)
	if errors.Is(err, publish.ErrOlder) {
		err = fmt.Errorf("%w: %w", lists.ErrPublished, err)
	}
	return err
}

func (u toUnits) Withdraw(ctx context.Context, name string) error {
	err := u.p.Withdraw(ctx, name)
	if errors.Is(err, publish.ErrNoList) {
		return nil
	}
	return err
}

// InitTrust makes the keys of a site's signed repository in its folder trust: so
// many for the root, of which threshold must sign together, and the one that
// central signs with. It needs the CA's key.
func InitTrust(dir string, keys, threshold int) error {
	site, err := identity.OpenSite(dir, clock.System())
	if err != nil {
		return err
	}
	return initTrust(site, dir, keys, threshold)
}

// The keys of a new site's root.
const (
	rootKeys      = 3
	rootThreshold = 2
)

func initTrust(site *identity.Site, dir string, keys, threshold int) error {
	err := trust.Init(filepath.Join(dir, "trust"), keys, threshold, site.SignRoot, clock.System().Now())
	if errors.Is(err, trust.ErrKeys) {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err != nil {
		return err
	}
	// Central reads its key there, and is another user than who keeps the site.
	return os.Chmod(filepath.Join(dir, "trust"), 0o750)
}

// RenewTrust signs the root of a site's signed repository anew with the root's keys,
// which must lie in its folder trust, and gives central another key where that is
// asked for.
func RenewTrust(dir string, otherOnline bool) error {
	return trust.Renew(filepath.Join(dir, "trust"), otherOnline, clock.System().Now())
}
