// Package trust is the site's signed repository, by The Update Framework (TUF):
// what a unit gets from central is what central meant it to get, and is the newest
// of it, whoever stands between them.
//
// The parties and their keys:
//
//   - the root: a few keys, of which so many must sign together. They make which
//     keys count for what, and belong on no machine that a network reaches.
//     [Init] makes them, [Renew] uses them.
//   - the online key, at central: it signs what units may have of lists, for a day
//     at most ([Online]). Whoever steals it can publish lists until the root has
//     named another one, and nothing else. Another delegation beside "lists", with
//     keys of its own, is all that firmware needs.
//   - the site's CA vouches for the first root, so that a unit which was enrolled
//     knows it without another file ([Client]).
//
// The metadata: root names the keys; targets, signed by the root's keys, delegates
// "lists" to the online key; lists delegates to one role for each device, with an
// opaque name; a device's role names its targets. Snapshot and timestamp say which
// versions of all these belong together. All that the online key signs carries one
// number, so that not even the versions tell whose lists have changed.
//
// A role's name is the hash of the device's name and a salt which central tells
// that device alone ([RoleName]). So nobody else can tell whose a role is, and
// nobody can pass a device the role of another one.
//
// The checks of signatures, thresholds, versions and expiry are go-tuf's
// (metadata/trustedmetadata). Its updater is not used: it keeps metadata in plain
// files that it does not fsync, never gets over a truncated one, and believes the
// clock. What is kept here is the root, sealed and written in one step, and the
// newest versions seen, in a file elsewhere that outlives it.
package trust

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// ListsRole is the delegation of lists.
const ListsRole = "lists"

// Life is how long the online key's metadata is good for.
const Life = 24 * time.Hour

// Where central serves a repository below its base address.
const (
	PathMetadata = "/metadata/"
	PathTargets  = "/targets/"
	PathSalt     = "/salt"
)

// Target is a file that a device may have.
type Target struct {
	// Name is unique within the device's role.
	Name   string
	Length int64
	SHA256 [sha256.Size]byte
	// Custom is what the metadata says of it besides, in JSON.
	Custom json.RawMessage
}

// RoleName is the opaque name of a device's role.
func RoleName(salt, device string) string {
	sum := sha256.Sum256([]byte("nrd role 1\n" + salt + "\n" + device))
	return hex.EncodeToString(sum[:16])
}

// File is the last part of a target's address: TUF puts the hash before the name,
// so that a file never changes under its address.
func (t Target) File() string { return hex.EncodeToString(t.SHA256[:]) + "." + t.Name }

// Path is a target's path within the repository.
func (t Target) Path(role string) string { return ListsRole + "/" + role + "/" + t.Name }

// Address is where a target is found below the repository's address.
func (t Target) Address(role string) string {
	return PathTargets + ListsRole + "/" + role + "/" + t.File()
}

func versioned(version int64, role string) string { return fmt.Sprintf("%d.%s.json", version, role) }

// encode writes metadata as it is served.
func encode[T metadata.Roles](m *metadata.Metadata[T]) ([]byte, error) { return m.ToBytes(false) }
