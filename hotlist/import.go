package hotlist

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"go.etcd.io/bbolt"

	"nrd"
	"nrd/hotlist/voi"
	"nrd/internal/sealed"
)

// Import puts a list file in force as the list's next version, in one step: an
// error of any kind, the end of ctx or of the process leaves the version before
// in force. A line that cannot be used is left out and named in the report, which
// is not nil once the file could be opened. An entry that stands twice (same VRM
// and source reference) is taken from its first line.
//
// The list's time of issue is when the file was last changed; where that lies in
// the future of a clock that is proved, it is now.
func (c *Cache) Import(ctx context.Context, name, file string) (*voi.Report, error) {
	c.importing.Lock()
	defer c.importing.Unlock()
	f, err := voi.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	work, err := os.MkdirTemp(c.config.Path, "import-*"+unfinishedSuffix)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work) //nolint:errcheck // what stays is removed by the next Open
	i := &importer{ctx: ctx, cache: c, name: name, file: f, work: work, secrets: newSecrets(c.key, name)}
	path, err := i.run()
	if err != nil {
		return i.report, err
	}
	return i.report, errors.Join(c.putInForce(name, path), c.removeDamaged(name))
}

// putInForce opens a finished file in the place of the version before, which is
// then removed.
func (c *Cache) putInForce(name, path string) error {
	l, err := openList(path, c.key)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	older := c.lists[name]
	c.lists[name] = l
	if older != nil {
		return older.remove()
	}
	return nil
}

// removeDamaged removes files of a list that were set aside.
func (c *Cache) removeDamaged(list string) error {
	names, err := c.files()
	errs := []error{err}
	for _, name := range names {
		if strings.HasPrefix(name, hiddenName(c.key, list)+"-") && strings.Contains(name, corruptInfix) {
			errs = append(errs, os.Remove(filepath.Join(c.config.Path, name)))
		}
	}
	return errors.Join(errs...)
}

// importer makes the next version of one list.
type importer struct {
	ctx     context.Context // of the one call of Import
	cache   *Cache
	name    string
	file    *voi.File
	work    string
	secrets secrets
	report  *voi.Report
}

// run gives the path of the finished file, under its final name.
func (i *importer) run() (string, error) {
	sorted, err := i.sort()
	if err != nil {
		return "", err
	}
	defer sorted.close()
	changes := &unique{from: sorted, report: i.report}
	entries, err := i.apply(changes)
	if err != nil {
		return "", err
	}
	version, err := i.cache.nextVersion(i.name)
	if err != nil {
		return "", err
	}
	built := filepath.Join(i.work, "built")
	if err := i.build(built, version, entries); err != nil {
		return "", err
	}
	path := filepath.Join(i.cache.config.Path, fileName(i.cache.key, i.name, version))
	if err := os.Rename(built, path); err != nil {
		return "", err
	}
	return path, sealed.SyncDir(i.cache.config.Path)
}

// sort reads the file and gives its entries by key.
func (i *importer) sort() (*merged, error) {
	s := &sorter{dir: i.work}
	var err error
	i.report, err = voi.Parse(i.file, voi.Options{File: i.file.Name, List: i.name, Now: i.cache.config.Clock.Now()}, func(e nrd.Entry) error {
		if err := i.ctx.Err(); err != nil {
			return err
		}
		key := i.secrets.key(&e)
		box, err := i.secrets.box(key, &e)
		if err != nil {
			return err
		}
		return s.add(item{key: key, line: e.Line, box: box})
	})
	if err != nil {
		return nil, err
	}
	return s.merge()
}

// apply gives the entries of the next version: those of the file, or those of
// the version in force changed by them.
func (i *importer) apply(changes stream) (stream, error) {
	if i.file.Operation == voi.Replace {
		return changes, nil
	}
	i.cache.mu.RLock()
	old := i.cache.lists[i.name]
	i.cache.mu.RUnlock()
	switch {
	case old == nil && i.file.Operation == voi.Delete:
		return nil, fmt.Errorf("%s: %w", i.name, ErrNoList)
	case old == nil:
		return changes, nil
	}
	// Only imports close a list, and this is the only import; a Match that
	// finds it damaged makes reading fail, and the import with it.
	before := &listed{list: old}
	return &changed{old: before, changes: changes, remove: i.file.Operation == voi.Delete, report: i.report}, nil
}

// entriesPerCommit keeps the memory of a build small.
const entriesPerCommit = 10000

// build writes the file and puts it on stable storage.
func (i *importer) build(path string, version uint64, entries stream) (err error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	d := newDigest()
	count := 0
	for more := true; more; {
		if err := i.ctx.Err(); err != nil {
			return err
		}
		err := db.Update(func(tx *bbolt.Tx) error {
			n, err := fill(tx, entries, d)
			count += n
			more = n == entriesPerCommit
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := i.writeHeader(db, version, count, d.sum()); err != nil {
		return err
	}
	return db.Sync()
}

// fill writes the next entries; fewer than entriesPerCommit are the last.
func fill(tx *bbolt.Tx, entries stream, d digest) (int, error) {
	b, err := tx.CreateBucketIfNotExists(entriesBucket)
	if err != nil {
		return 0, err
	}
	b.FillPercent = 1 // keys come in order
	for n := range entriesPerCommit {
		next, ok, err := entries.next()
		if err != nil || !ok {
			return n, err
		}
		if err := b.Put(next.key, next.box); err != nil {
			return n, err
		}
		d.add(next.key, next.box)
	}
	return entriesPerCommit, nil
}

func (i *importer) writeHeader(db *bbolt.DB, version uint64, entries int, digest []byte) error {
	now := i.cache.config.Clock.Stamp()
	issued := i.file.Modified
	if now.Proved && issued.After(now.UTC) {
		issued = now.UTC
	}
	text, err := json.Marshal(header{
		ListVersion: nrd.ListVersion{List: i.name, Version: version, Issued: issued, Loaded: now.UTC, Entries: entries},
		Digest:      digest,
	})
	if err != nil {
		return err
	}
	return db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket(headerBucket)
		if err != nil {
			return err
		}
		return b.Put(headerName, i.cache.key.Seal(text, headerName))
	})
}

// nextVersion is one above every version whose file is there, damaged or not.
func (c *Cache) nextVersion(name string) (uint64, error) {
	files, err := c.files()
	if err != nil {
		return 0, err
	}
	highest := uint64(0)
	for _, f := range files {
		rest, ok := strings.CutPrefix(f, hiddenName(c.key, name)+"-")
		if !ok {
			continue
		}
		number, _, _ := strings.Cut(rest, ".")
		if n, err := strconv.ParseUint(number, 10, 64); err == nil {
			highest = max(highest, n)
		}
	}
	return highest + 1, nil
}
