package trust

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// Online signs for central what devices may have.
type Online struct {
	dir  string
	key  ed25519.PrivateKey
	root *metadata.Metadata[metadata.RootType]
	// targets is the version of the top-level targets.
	targets int64
	offline map[string][]byte
}

// OpenOnline reads what Init wrote; the root's keys are not needed.
func OpenOnline(dir string) (*Online, error) {
	o := &Online{dir: dir, offline: map[string][]byte{}}
	var err error
	if o.key, err = readKey(filepath.Join(dir, onlineFile)); err != nil {
		return nil, err
	}
	for _, role := range []string{metadata.ROOT, metadata.TARGETS} {
		files, err := filepath.Glob(filepath.Join(dir, "*."+role+".json"))
		if err != nil {
			return nil, err
		}
		for _, f := range append(files, filepath.Join(dir, vouchFile)) {
			if o.offline[filepath.Base(f)], err = os.ReadFile(f); err != nil {
				return nil, err
			}
		}
	}
	version, err := newest(dir, metadata.ROOT)
	if err != nil {
		return nil, err
	}
	if o.root, err = metadata.Root().FromBytes(o.offline[versioned(version, metadata.ROOT)]); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if o.targets, err = newest(dir, metadata.TARGETS); err != nil {
		return nil, err
	}
	return o, o.belongs()
}

// belongs checks that the newest root names the online key.
func (o *Online) belongs() error {
	public, err := publicKey(o.key)
	if err != nil {
		return err
	}
	id, err := public.ID()
	if err != nil {
		return err
	}
	if !slices.Contains(o.root.Signed.Roles[metadata.TIMESTAMP].KeyIDs, id) {
		return fmt.Errorf("%s: %w: the root does not name this key", filepath.Join(o.dir, onlineFile), ErrUntrusted)
	}
	return nil
}

// Expires is when the root has to be renewed at the latest.
func (o *Online) Expires() time.Time { return o.root.Signed.Expires }

// Sign gives the metadata, by file name, that lets each role have its targets
// until Life from now. number must be above every number signed before.
func (o *Online) Sign(number int64, now time.Time, roles map[string][]Target) (map[string][]byte, error) {
	expires := now.UTC().Add(Life).Truncate(time.Second)
	files := maps.Clone(o.offline)
	public, err := publicKey(o.key)
	if err != nil {
		return nil, err
	}
	id, err := public.ID()
	if err != nil {
		return nil, err
	}
	snapshot, lists := metadata.Snapshot(expires), metadata.Targets(expires)
	snapshot.Signed.Meta = map[string]*metadata.MetaFiles{"targets.json": metadata.MetaFile(o.targets), ListsRole + ".json": metadata.MetaFile(number)}
	lists.Signed.Delegations = &metadata.Delegations{Keys: map[string]*metadata.Key{id: public}, Roles: []metadata.DelegatedRole{}}
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		lists.Signed.Delegations.Roles = append(lists.Signed.Delegations.Roles, metadata.DelegatedRole{
			Name: role, KeyIDs: []string{id}, Threshold: 1, Terminating: true, Paths: []string{ListsRole + "/" + role + "/*"},
		})
		// No length and no hash: they would tell how many lists a device has.
		snapshot.Signed.Meta[role+".json"] = metadata.MetaFile(number)
		own := metadata.Targets(expires)
		own.Signed.Version = number
		for _, t := range roles[role] {
			custom := t.Custom
			own.Signed.Targets[t.Path(role)] = &metadata.TargetFiles{Length: t.Length, Hashes: metadata.Hashes{"sha256": t.SHA256[:]}, Custom: &custom}
		}
		if err := add(files, versioned(number, role), own, o.key); err != nil {
			return nil, err
		}
	}
	lists.Signed.Version, snapshot.Signed.Version = number, number
	timestamp := metadata.Timestamp(expires)
	timestamp.Signed.Version = number
	timestamp.Signed.Meta = map[string]*metadata.MetaFiles{"snapshot.json": metadata.MetaFile(number)}
	err = errors.Join(
		add(files, versioned(number, ListsRole), lists, o.key),
		add(files, versioned(number, metadata.SNAPSHOT), snapshot, o.key),
		add(files, timestampFile, timestamp, o.key),
	)
	return files, err
}

const timestampFile = metadata.TIMESTAMP + ".json"

func add[T metadata.Roles](files map[string][]byte, name string, m *metadata.Metadata[T], key ed25519.PrivateKey) error {
	if err := sign(m, key); err != nil {
		return err
	}
	var err error
	files[name], err = encode(m)
	return err
}

// Common says whether a file of Sign is for every device, or else the role that it
// is for.
func Common(file string) (common bool, role string) {
	name := strings.TrimSuffix(file, ".json")
	if at := strings.IndexByte(name, '.'); at >= 0 {
		name = name[at+1:]
	}
	switch name {
	case metadata.ROOT, metadata.TARGETS, metadata.SNAPSHOT, metadata.TIMESTAMP, ListsRole, "sig":
		return true, ""
	}
	return false, name
}
