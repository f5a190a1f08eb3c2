package trust

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"

	"nrd"
	"nrd/internal/sealed"
)

// The longest metadata of each kind in bytes, and how many roots may have been
// missed.
const (
	maxRoot      = 512 << 10
	maxTimestamp = 16 << 10
	maxMetadata  = 8 << 20
	maxSalt      = 256
	maxRotations = 256
)

// rootFile holds, sealed, the newest root seen.
const rootFile = "root"

// Client is a device's side of a repository. Fill the fields, then Initialize.
// Its methods may be called one at a time.
type Client struct {
	// Address is the repository's, as https://host:port/path.
	Address string
	// TLS is what both sides of a connection show each other.
	TLS *tls.Config
	// Device is the name in the device's certificate.
	Device string
	// Anchor checks a first root with what the site's CA says of it
	// (identity.VerifyRoot).
	Anchor func(root, voucher []byte) error
	// Dir is the folder of the root and of downloads, Floors the file of the
	// newest versions seen, which belongs elsewhere; both are made.
	Dir, Floors string
	// Key seals both.
	Key *sealed.Key
	// Reference is the time by which expiry is judged (identity.Credential).
	Reference func() time.Time
	Clock     nrd.Clock
	Log       *slog.Logger

	key    *sealed.Key
	floors *floors
	web    *web
}

// Initialize opens what is kept.
func (c *Client) Initialize() error {
	c.key = c.Key.Derive("signed repository")
	if err := sealed.MakeDir(c.Dir); err != nil {
		return err
	}
	if err := sealed.MakeDir(filepath.Dir(c.Floors)); err != nil {
		return err
	}
	var aside string
	var err error
	if c.floors, aside, err = openFloors(c.Floors, c.key, c.Clock.Now()); err != nil {
		return err
	}
	if aside != "" {
		c.Log.Error("which versions of signed metadata were seen cannot be read and was set aside", "file", filepath.Base(aside))
	}
	config := c.TLS.Clone()
	config.Time = c.Reference
	c.web = newWeb(config)
	return nil
}

// Close ends what connections stay open.
func (c *Client) Close() {
	if c.web != nil {
		c.web.close()
	}
}

// Refresh gets the newest metadata and gives what the device may have, and the
// publication's number. The errors are ErrUntrusted, ErrFrozen, ErrOlder,
// ErrTooLong and those of the network.
func (c *Client) Refresh(ctx context.Context) (r Repository, err error) {
	ctx, cancel := context.WithTimeout(ctx, refreshTime)
	defer cancel()
	salt, err := c.web.get(ctx, c.Address+PathSalt, maxSalt)
	if err != nil {
		return r, err
	}
	r = Repository{role: RoleName(strings.TrimSpace(string(salt)), c.Device)}
	trusted, err := c.root(ctx)
	if err != nil {
		return r, err
	}
	seen := map[string]floor{}
	// Also where the rest fails: what was verified once is not to be undercut.
	defer func() { err = errors.Join(err, c.floors.raise(seen)) }()
	if err := c.common(ctx, trusted, seen); err != nil {
		return r, err
	}
	r.Number = trusted.Timestamp.Signed.Version
	r.Targets, err = c.own(ctx, trusted, seen, r.role)
	return r, err
}

// refreshTime bounds a refresh, however slowly central answers.
const refreshTime = 2 * time.Minute

// Repository is what a refresh found.
type Repository struct {
	// Number counts up with each change of anything in the repository.
	Number  int64
	Targets []Target

	role string
}

// common gets the metadata that all devices have in common.
func (c *Client) common(ctx context.Context, trusted *trustedmetadata.TrustedMetadata, seen map[string]floor) error {
	root := trusted.Root.Signed
	if err := c.raised(seen, metadata.ROOT, floor{Version: root.Version}); err != nil {
		return err
	}
	text, err := c.metadata(ctx, timestampFile, maxTimestamp)
	if err != nil {
		return err
	}
	timestamp, err := trusted.UpdateTimestamp(text)
	if err != nil {
		return explain(err)
	}
	of := timestamp.Signed.Meta["snapshot.json"]
	if of == nil {
		return fmt.Errorf("%w: the timestamp names no snapshot", ErrUntrusted)
	}
	if err := c.raised(seen, metadata.TIMESTAMP, floor{timestamp.Signed.Version, root.Roles[metadata.TIMESTAMP].KeyIDs}); err != nil {
		return err
	}
	if text, err = c.metadata(ctx, versioned(of.Version, metadata.SNAPSHOT), maxMetadata); err != nil {
		return err
	}
	snapshot, err := trusted.UpdateSnapshot(text, false)
	if err != nil {
		return explain(err)
	}
	if err := c.raised(seen, metadata.SNAPSHOT, floor{snapshot.Signed.Version, root.Roles[metadata.SNAPSHOT].KeyIDs}); err != nil {
		return err
	}
	_, err = c.delegated(ctx, trusted, seen, metadata.TARGETS, metadata.ROOT, root.Roles[metadata.TARGETS].KeyIDs)
	return err
}

// own gets the device's own role.
func (c *Client) own(ctx context.Context, trusted *trustedmetadata.TrustedMetadata, seen map[string]floor, role string) ([]Target, error) {
	lists, err := c.delegated(ctx, trusted, seen, ListsRole, metadata.TARGETS, keysOf(trusted.Targets[metadata.TARGETS], ListsRole))
	if err != nil {
		return nil, err
	}
	own, err := c.delegated(ctx, trusted, seen, role, ListsRole, keysOf(lists, role))
	if err != nil {
		return nil, err
	}
	var targets []Target
	for path, file := range own.Signed.Targets {
		name, inside := strings.CutPrefix(path, Target{}.Path(role))
		sum := file.Hashes["sha256"]
		if !inside || name == "" || strings.ContainsAny(name, "/\\") || len(sum) != sha256.Size || file.Length < 0 {
			return nil, fmt.Errorf("%w: the target %q cannot be this device's", ErrUntrusted, path)
		}
		t := Target{Name: name, Length: file.Length, SHA256: [sha256.Size]byte(sum)}
		if file.Custom != nil {
			t.Custom = *file.Custom
		}
		targets = append(targets, t)
	}
	slices.SortFunc(targets, func(a, b Target) int { return strings.Compare(a.Name, b.Name) })
	return targets, nil
}

func keysOf(of *metadata.Metadata[metadata.TargetsType], role string) []string {
	if of.Signed.Delegations == nil {
		return nil
	}
	for _, d := range of.Signed.Delegations.Roles {
		if d.Name == role {
			return d.KeyIDs
		}
	}
	return nil
}

// delegated gets the metadata of a role that another one has delegated to.
func (c *Client) delegated(ctx context.Context, trusted *trustedmetadata.TrustedMetadata, seen map[string]floor, role, by string, keys []string) (*metadata.Metadata[metadata.TargetsType], error) {
	of := trusted.Snapshot.Signed.Meta[role+".json"]
	if of == nil {
		return nil, fmt.Errorf("%w: nothing is published for this device", ErrUntrusted)
	}
	text, err := c.metadata(ctx, versioned(of.Version, role), maxMetadata)
	if err != nil {
		return nil, err
	}
	m, err := trusted.UpdateDelegatedTargets(text, role, by)
	if err != nil {
		return nil, explain(err)
	}
	return m, c.raised(seen, role, floor{m.Signed.Version, keys})
}

// raised holds a version against its floor, and notes it as the next one.
func (c *Client) raised(seen map[string]floor, role string, is floor) error {
	is.Keys = slices.Sorted(slices.Values(is.Keys))
	if err := c.floors.check(role, is); err != nil {
		return err
	}
	seen[role] = is
	return nil
}

// root gives trusted metadata with the newest root. A root that is kept and does
// not read is removed, and the first one asked for again.
func (c *Client) root(ctx context.Context) (*trustedmetadata.TrustedMetadata, error) {
	trusted, err := c.keptRoot()
	if err != nil {
		c.Log.Warn("the root that was kept is of no use; the site's first one is taken", "error", err)
		if err := os.Remove(c.rootPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if trusted == nil {
		if trusted, err = c.firstRoot(ctx); err != nil {
			return nil, err
		}
	}
	trusted.RefTime = c.Reference()
	for range maxRotations {
		text, err := c.metadata(ctx, versioned(trusted.Root.Signed.Version+1, metadata.ROOT), maxRoot)
		if errors.Is(err, errNotFound) {
			return trusted, nil
		}
		if err != nil {
			return nil, err
		}
		if _, err := trusted.UpdateRoot(text); err != nil {
			return nil, explain(err)
		}
		if err := c.keepRoot(text); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: roots without end", ErrTooLong)
}

func (c *Client) rootPath() string { return filepath.Join(c.Dir, rootFile) }

// keptRoot gives nil where none is kept.
func (c *Client) keptRoot() (*trustedmetadata.TrustedMetadata, error) {
	box, err := os.ReadFile(c.rootPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	text, err := c.key.Open(box, []byte(rootFile))
	if err != nil {
		return nil, err
	}
	return trustedmetadata.New(text)
}

func (c *Client) keepRoot(text []byte) error {
	return sealed.WriteFile(c.rootPath(), c.key.Seal(text, []byte(rootFile)), 0o600)
}

// firstRoot gets the root that the site's CA vouches for.
func (c *Client) firstRoot(ctx context.Context) (*trustedmetadata.TrustedMetadata, error) {
	text, err := c.metadata(ctx, versioned(1, metadata.ROOT), maxRoot)
	if err != nil {
		return nil, err
	}
	voucher, err := c.metadata(ctx, vouchFile, maxRoot)
	if err != nil {
		return nil, err
	}
	if err := c.Anchor(text, voucher); err != nil {
		return nil, fmt.Errorf("%w: the site's CA does not vouch for the first root: %w", ErrUntrusted, err)
	}
	trusted, err := trustedmetadata.New(text)
	if err != nil {
		return nil, explain(err)
	}
	return trusted, c.keepRoot(text)
}

func (c *Client) metadata(ctx context.Context, file string, limit int64) ([]byte, error) {
	return c.web.get(ctx, c.Address+PathMetadata+file, limit)
}

// explain puts go-tuf's errors in this package's words.
func explain(err error) error {
	var expired *metadata.ErrExpiredMetadata
	if errors.As(err, &expired) {
		return fmt.Errorf("%w: %w", ErrFrozen, err)
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("%w: it is no JSON: %w", ErrUntrusted, err)
	}
	return fmt.Errorf("%w: %w", ErrUntrusted, err)
}
