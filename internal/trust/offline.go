package trust

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"nrd/internal/sealed"
)

// The files of a repository's folder, beside N.root.json and N.targets.json. Those
// of the root's keys belong elsewhere.
const (
	onlineFile = "online.key"
	vouchFile  = "root.sig"
	rootKeys   = "root-*.key"
)

// offlineYears is how long what the root's keys sign is good for: units must not
// come to a stand because somebody forgot.
const offlineYears = 5

// Init makes the keys of a repository and its first root in dir, which is made if
// it is not there: root-1.key and so on, of which threshold must sign together,
// online.key, 1.root.json, 1.targets.json, and root.sig, which vouch gives for the
// first root (identity.Site.SignRoot). The error is ErrExists where there is one.
func Init(dir string, keys, threshold int, vouch func(root []byte) ([]byte, error), now time.Time) error {
	if threshold < 1 || keys < threshold {
		return fmt.Errorf("%w: %d of %d must sign", ErrKeys, threshold, keys)
	}
	if found, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(found) > 0 {
		return errors.Join(fmt.Errorf("%s: %w", dir, ErrExists), err)
	}
	if err := sealed.MakeDir(dir); err != nil {
		return err
	}
	o := offline{dir: dir, threshold: threshold, now: now}
	for n := range keys {
		key, err := makeKey(filepath.Join(dir, fmt.Sprintf("root-%d.key", n+1)))
		if err != nil {
			return err
		}
		o.keys = append(o.keys, key)
	}
	var err error
	if o.online, err = makeKey(filepath.Join(dir, onlineFile)); err != nil {
		return err
	}
	root, err := o.write(nil)
	if err != nil {
		return err
	}
	voucher, err := vouch(root)
	if err != nil {
		return err
	}
	return sealed.WriteFile(filepath.Join(dir, vouchFile), voucher, 0o644)
}

// Renew signs root and targets anew with the root's keys that are in dir, and with
// another online key where it is asked for: the one that was stolen counts for
// nothing then. Units take the new root at their next contact. The error is
// ErrKeys where too few keys are there.
func Renew(dir string, otherOnline bool, now time.Time) error {
	version, err := newest(dir, metadata.ROOT)
	if err != nil {
		return err
	}
	old, err := metadata.Root().FromFile(filepath.Join(dir, versioned(version, metadata.ROOT)))
	if err != nil {
		return err
	}
	o := offline{dir: dir, threshold: old.Signed.Roles[metadata.ROOT].Threshold, now: now}
	files, err := filepath.Glob(filepath.Join(dir, rootKeys))
	if err != nil {
		return err
	}
	for _, file := range files {
		key, err := readKey(file)
		if err != nil {
			return err
		}
		o.keys = append(o.keys, key)
	}
	if len(o.keys) < o.threshold {
		return fmt.Errorf("%s: %w: %d, and %d must sign", dir, ErrKeys, len(o.keys), o.threshold)
	}
	if otherOnline {
		if err := os.Rename(filepath.Join(dir, onlineFile), filepath.Join(dir, onlineFile+".given-up")); err != nil {
			return err
		}
		o.online, err = makeKey(filepath.Join(dir, onlineFile))
	} else {
		o.online, err = readKey(filepath.Join(dir, onlineFile))
	}
	if err != nil {
		return err
	}
	_, err = o.write(old)
	return err
}

// offline is what the root's keys sign together.
type offline struct {
	dir       string
	keys      []ed25519.PrivateKey
	threshold int
	online    ed25519.PrivateKey
	now       time.Time
}

// write signs and writes the root after old, or the first, and its targets.
func (o offline) write(old *metadata.Metadata[metadata.RootType]) ([]byte, error) {
	expires := o.now.UTC().AddDate(offlineYears, 0, 0).Truncate(time.Second)
	root, targets := metadata.Root(expires), metadata.Targets(expires)
	root.Signed.ConsistentSnapshot = true
	online, err := publicKey(o.online)
	if err != nil {
		return nil, err
	}
	if old != nil {
		root.Signed.Version = old.Signed.Version + 1
		// Keys that are not at hand count on.
		for _, role := range []string{metadata.ROOT, metadata.TARGETS} {
			root.Signed.Roles[role] = old.Signed.Roles[role]
			for _, id := range old.Signed.Roles[role].KeyIDs {
				root.Signed.Keys[id] = old.Signed.Keys[id]
			}
		}
	} else {
		for _, key := range o.keys {
			public, err := publicKey(key)
			if err != nil {
				return nil, err
			}
			if err := errors.Join(root.Signed.AddKey(public, metadata.ROOT), root.Signed.AddKey(public, metadata.TARGETS)); err != nil {
				return nil, err
			}
		}
		root.Signed.Roles[metadata.ROOT].Threshold, root.Signed.Roles[metadata.TARGETS].Threshold = o.threshold, o.threshold
	}
	if err := errors.Join(root.Signed.AddKey(online, metadata.TIMESTAMP), root.Signed.AddKey(online, metadata.SNAPSHOT)); err != nil {
		return nil, err
	}
	targets.Signed.Version = root.Signed.Version
	id, err := online.ID()
	if err != nil {
		return nil, err
	}
	targets.Signed.Delegations = &metadata.Delegations{
		Keys:  map[string]*metadata.Key{id: online},
		Roles: []metadata.DelegatedRole{{Name: ListsRole, KeyIDs: []string{id}, Threshold: 1, Terminating: true, Paths: []string{ListsRole + "/*/*"}}},
	}
	// Targets first: a root that is there has them.
	if _, err := put(o.dir, metadata.TARGETS, targets.Signed.Version, targets, o.keys); err != nil {
		return nil, err
	}
	return put(o.dir, metadata.ROOT, root.Signed.Version, root, o.keys)
}

func put[T metadata.Roles](dir, role string, version int64, m *metadata.Metadata[T], keys []ed25519.PrivateKey) ([]byte, error) {
	for _, key := range keys {
		if err := sign(m, key); err != nil {
			return nil, err
		}
	}
	text, err := encode(m)
	if err != nil {
		return nil, err
	}
	return text, sealed.WriteFile(filepath.Join(dir, versioned(version, role)), text, 0o644)
}

func sign[T metadata.Roles](m *metadata.Metadata[T], key ed25519.PrivateKey) error {
	signer, err := signature.LoadED25519Signer(key)
	if err != nil {
		return err
	}
	_, err = m.Sign(signer)
	return err
}

func publicKey(key ed25519.PrivateKey) (*metadata.Key, error) {
	return metadata.KeyFromPublicKey(key.Public())
}

const privateKey = "PRIVATE KEY"

func makeKey(path string) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, sealed.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: privateKey, Bytes: pkcs8}), 0o600)
}

func readKey(path string) (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != privateKey {
		return nil, fmt.Errorf("%s: is not a PEM file of type %s", path, privateKey)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s: is a %T, not an Ed25519 key", path, parsed)
	}
	return key, nil
}

// newest is the highest version of a role's metadata in a folder.
func newest(dir, role string) (int64, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*."+role+".json"))
	if err != nil {
		return 0, err
	}
	highest := int64(0)
	for _, f := range files {
		number, _, _ := strings.Cut(filepath.Base(f), ".")
		if n, err := strconv.ParseInt(number, 10, 64); err == nil {
			highest = max(highest, n)
		}
	}
	if highest == 0 {
		return 0, fmt.Errorf("%s: there is no %s", dir, versioned(1, role))
	}
	return highest, nil
}
