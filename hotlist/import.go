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
	"nrd/hotlist/publication"
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
// the future of a clock that is proved, it is now. The error is ErrOlder where a
// version issued later was in force.
func (c *Cache) Import(ctx context.Context, name, file string) (*voi.Report, error) {
	c.importing.Lock()
	defer c.importing.Unlock()
	f, err := voi.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	now := c.config.Clock.Stamp()
	version := nrd.ListVersion{List: name, Issued: f.Modified, Loaded: now.True()}
	if now.Proved && version.Issued.After(now.True()) {
		version.Issued = now.True()
	}
	if err := c.checkFloor(name, version.Issued); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	if version.Version, err = c.nextVersion(name); err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(c.config.Path, "import-*"+unfinishedSuffix)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work) //nolint:errcheck // what stays is removed by the next Open
	i := &importer{
		ctx: ctx, cache: c, about: header{ListVersion: version}, work: work, rule: c.config.Rules[name],
		change: f.Operation != voi.Replace, remove: f.Operation == voi.Delete,
	}
	i.each = func(keep func(nrd.Entry, []byte) error) error { return i.parse(f, keep) }
	l, err := i.run()
	if err == nil && i.rule.Near && l.version().Entries > c.config.NearLimit {
		err = fmt.Errorf("%s: %w: it has %d, the limit is %d", name, ErrNearTooMany, l.version().Entries, c.config.NearLimit)
		err = errors.Join(err, l.close())
	}
	if err != nil {
		return i.report, err
	}
	return i.report, errors.Join(c.putInForce(l), c.removeDamaged(name))
}

// putInForce gives a finished list its name and the place of the version before,
// which is then removed.
func (c *Cache) putInForce(l list) error {
	v := l.version()
	path := filepath.Join(c.config.Path, fileName(c.key, v.List, l.about().number(), filepath.Ext(l.path())))
	err := c.setFloor(v.List, v.Issued)
	if err == nil {
		err = os.Rename(l.path(), path)
	}
	if err == nil {
		l.moved(path)
		err = sealed.SyncDir(c.config.Path)
	}
	if err != nil {
		return errors.Join(err, l.close())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	older := c.lists[v.List]
	c.put(v.List, l)
	if older != nil {
		return discard(older)
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

// importer makes the next file of one list.
type importer struct {
	ctx   context.Context // of the one call of Import or Replace
	cache *Cache
	about header
	rule  Rule
	// each gives what the list is made of: entries and, where they are there
	// already, their lines.
	each func(keep func(e nrd.Entry, line []byte) error) error
	// change says that this changes the list in force, remove that it takes
	// entries away.
	change, remove bool
	work           string
	report         *voi.Report
}

// run builds the list, reads it back, and gives it opened. It has no name in the
// cache yet.
func (i *importer) run() (list, error) {
	old := i.old()
	if old == nil && i.remove {
		return nil, fmt.Errorf("%s: %w", i.about.List, ErrNoList)
	}
	path := filepath.Join(i.work, "built")
	var err error
	if wasStatus, isStatus := old.(*statusList); isStatus || (old == nil && i.rule.Status) {
		path += statusSuffix
		err = i.buildStatuses(path, wasStatus)
	} else {
		path += listSuffix
		wasEntries, _ := old.(*entryList)
		err = i.buildEntries(path, wasEntries)
	}
	if err != nil {
		return nil, err
	}
	l, err := openList(path, i.cache.key)
	if err != nil {
		return nil, err
	}
	if err = l.verify(i.ctx); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

// old is the version that the file changes, nil for none: a file that replaces
// the list changes nothing.
func (i *importer) old() list {
	if !i.change {
		return nil
	}
	// Only imports close a list, and this is the only import; a Match that
	// finds it damaged makes reading fail, and the import with it.
	i.cache.mu.RLock()
	defer i.cache.mu.RUnlock()
	return i.cache.lists[i.about.List]
}

// parse gives each good line of a file to keep.
func (i *importer) parse(f *voi.File, keep func(nrd.Entry, []byte) error) error {
	var err error
	o := voi.Options{File: f.Name, List: i.about.List, Now: i.cache.config.Clock.Now()}
	i.report, err = voi.Parse(f, o, func(e nrd.Entry) error {
		if err := i.ctx.Err(); err != nil {
			return err
		}
		return keep(e, nil)
	})
	return err
}

// buildEntries writes a list of entries; old is the one that the file changes, or
// nil.
func (i *importer) buildEntries(path string, old *entryList) error {
	if old != nil {
		if err := i.cache.settle(old); err != nil {
			return err
		}
	}
	s := &sorter{dir: i.work}
	secrets := newSecrets(i.cache.key, i.about.List)
	err := i.each(func(e nrd.Entry, line []byte) error {
		key := secrets.key(&e)
		if line != nil {
			return s.add(item{key: key, line: e.Line, box: secrets.boxLine(key, e.Line, line)})
		}
		box, err := secrets.box(key, &e)
		if err != nil {
			return err
		}
		return s.add(item{key: key, line: e.Line, box: box})
	})
	if err != nil {
		return err
	}
	sorted, err := s.merge()
	if err != nil {
		return err
	}
	defer sorted.close()
	var entries stream = &unique{from: sorted, report: i.report}
	if old != nil {
		entries = &changed{old: &listed{list: old}, changes: entries, remove: i.remove, report: i.report}
	}
	return i.write(path, entries)
}

// entriesPerCommit keeps the memory of a build small.
const entriesPerCommit = 10000

// write writes the file and puts it on stable storage.
func (i *importer) write(path string, entries stream) (err error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	d := newSecrets(i.cache.key, i.about.List).digest(publication.Content{})
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
	if err := i.writeHeader(db, count, d.sum); err != nil {
		return err
	}
	return db.Sync()
}

// fill writes the next entries; fewer than entriesPerCommit are the last.
func fill(tx *bbolt.Tx, entries stream, d *digest) (int, error) {
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

func (i *importer) writeHeader(db *bbolt.DB, entries int, digest publication.Content) error {
	h := i.about
	h.Entries, h.Digest = entries, digest
	return db.Update(func(tx *bbolt.Tx) error { return putHeader(tx, h, i.cache.key) })
}

func putHeader(tx *bbolt.Tx, h header, key *sealed.Key) error {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	b, err := tx.CreateBucketIfNotExists(headerBucket)
	if err != nil {
		return err
	}
	return b.Put(headerName, key.Seal(text, headerName))
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
