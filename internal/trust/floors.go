package trust

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// floors are the newest versions seen of each role. They lie in a database of
// their own, so that emptying the folder of metadata brings no old version back.
type floors struct{ db *bbolt.DB }

// floor is a role's newest version, as signed by these keys: a root that names
// others has set the role back on purpose.
type floor struct {
	Version int64
	Keys    []string
}

var floorsBucket = []byte("floors")

// openFloors opens the database. One that is damaged is set aside, and its name
// then is given: what is known of versions is lost with it.
func openFloors(path string, now time.Time) (f *floors, setAside string, err error) {
	f, err = tryFloors(path)
	if err == nil {
		return f, "", nil
	}
	if _, missing := os.Stat(path); missing != nil {
		return nil, "", err // it could not be made
	}
	setAside = path + ".corrupt-" + now.UTC().Format("20060102T150405Z")
	if err := os.Rename(path, setAside); err != nil {
		return nil, "", err
	}
	f, err = tryFloors(path)
	return f, setAside, err
}

// tryFloors opens the database and reads it to its end: bbolt trusts its file,
// which is mapped into memory, so that a damaged one makes it panic.
func tryFloors(path string) (f *floors, err error) {
	var db *bbolt.DB
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: it cannot be read: %v", path, r)
		}
		if err != nil && db != nil {
			db.Close() //nolint:errcheck // it is damaged
		}
	}()
	db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(floorsBucket)
		if err != nil {
			return err
		}
		return b.ForEach(func(_, text []byte) error { return json.Unmarshal(text, &floor{}) })
	})
	return &floors{db}, err
}

// check refuses a version below the role's floor. The error is ErrOlder.
func (f *floors) check(role string, is floor) error {
	return f.db.View(func(tx *bbolt.Tx) error {
		least, err := read(tx, role)
		if err != nil {
			return err
		}
		if slices.Equal(least.Keys, is.Keys) && is.Version < least.Version {
			return fmt.Errorf("%w: %s has version %d, and %d was seen", ErrOlder, role, is.Version, least.Version)
		}
		return nil
	})
}

func read(tx *bbolt.Tx, role string) (floor, error) {
	var f floor
	text := tx.Bucket(floorsBucket).Get([]byte(role))
	if text == nil {
		return f, nil
	}
	return f, json.Unmarshal(text, &f)
}

// raise keeps versions that were verified.
func (f *floors) raise(seen map[string]floor) error {
	changed := false
	err := f.db.View(func(tx *bbolt.Tx) error {
		for role, is := range seen {
			was, err := read(tx, role)
			if err != nil {
				return err
			}
			changed = changed || was.Version != is.Version || !slices.Equal(was.Keys, is.Keys)
		}
		return nil
	})
	if err != nil || !changed {
		return err
	}
	return f.db.Update(func(tx *bbolt.Tx) error {
		for role, is := range seen {
			text, err := json.Marshal(is)
			if err != nil {
				return err
			}
			if err := tx.Bucket(floorsBucket).Put([]byte(role), text); err != nil {
				return err
			}
		}
		return nil
	})
}

func (f *floors) close() error { return f.db.Close() }
