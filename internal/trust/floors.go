package trust

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"nrd/internal/sealed"
)

// floors are the newest versions seen of each role. They lie in a sealed file of
// their own, so that emptying the folder of metadata brings no old version back.
type floors struct {
	path string
	key  *sealed.Key
	seen map[string]floor
}

// floor is a role's newest version, as signed by these keys: a root that names
// others has set the role back on purpose.
type floor struct {
	Version int64
	Keys    []string
}

// openFloors reads the file. One that is damaged is set aside, and its name then is
// given: what is known of versions is lost with it.
func openFloors(path string, key *sealed.Key, now time.Time) (f *floors, setAside string, err error) {
	f = &floors{path: path, key: key, seen: map[string]floor{}}
	box, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	text, err := key.Open(box, []byte(floorsPlace))
	if err == nil {
		err = json.Unmarshal(text, &f.seen)
	}
	if err == nil {
		return f, "", nil
	}
	f.seen = map[string]floor{}
	setAside = path + ".corrupt-" + now.UTC().Format("20060102T150405Z")
	return f, setAside, errors.Join(os.Rename(path, setAside), sealed.SyncDir(filepath.Dir(path)))
}

// floorsPlace binds the box to what it is.
const floorsPlace = "floors"

// check refuses a version below the role's floor. The error is ErrOlder.
func (f *floors) check(role string, is floor) error {
	least := f.seen[role]
	if slices.Equal(least.Keys, is.Keys) && is.Version < least.Version {
		return fmt.Errorf("%w: %s has version %d, and %d was seen", ErrOlder, role, is.Version, least.Version)
	}
	return nil
}

// raise keeps versions that were verified.
func (f *floors) raise(seen map[string]floor) error {
	next := maps.Clone(f.seen)
	maps.Copy(next, seen)
	same := func(a, b floor) bool { return a.Version == b.Version && slices.Equal(a.Keys, b.Keys) }
	if maps.EqualFunc(next, f.seen, same) {
		return nil
	}
	text, err := json.Marshal(next)
	if err != nil {
		return err
	}
	if err := sealed.WriteFile(f.path, f.key.Seal(text, []byte(floorsPlace)), 0o600); err != nil {
		return err
	}
	f.seen = next
	return nil
}
