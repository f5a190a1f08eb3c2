// Package hotlist keeps the lists of vehicles of interest that a unit matches
// its reads against.
//
//	cache, err := hotlist.Open(hotlist.CacheConfig{Path: "/var/lib/nrd/lists", Key: machine, Clock: clock, Profile: profile, Log: log})
//	report, err := cache.Import(ctx, "wanted", "/var/lib/nrd/inbox/nat_wanted_R.zip")
//	hits, err := cache.Match("AB12CDE")
//
// A list is one file, written once and never changed. An import builds the next
// file beside it, reads it back, and puts it in force by giving it its name; until
// then, and whatever breaks on the way, the old one is in force. So a file is
// LIST-VERSION.list, where LIST hides the list's name, and the highest version
// that is whole is the one in force. It is in bbolt; a list of statuses, tens of
// millions of vehicles that fall into few kinds, is LIST-VERSION.status, sealed
// blocks of packed VRMs. Both give the same entries.
//
// A stolen unit gives up no list: an entry's key is a keyed hash of its VRM, and
// what it says is sealed, or the whole block is. A file that is damaged is found
// when the cache is opened, or at the latest when it is asked, and set aside as
// LIST-VERSION.list.corrupt-TIME. A file older than the list in force is refused.
package hotlist

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"nrd"
	"nrd/hotlist/match"
	"nrd/internal/sealed"
)

// CacheConfig says where a cache is and what it needs.
type CacheConfig struct {
	// Path is the folder of the cache; it is made if it is not there.
	Path string
	// Key is the machine's; the cache derives its own from it.
	Key   *sealed.Key
	Clock nrd.Clock
	// Good gives the last time that is known to have been right
	// (identity.Credential.Reference); nil for none.
	Good func() time.Time
	Log  *slog.Logger
	// Profile says how long a list is fresh and which characters look alike.
	Profile nrd.Profile
	// Rules are those of the lists that have any, by name.
	Rules map[string]Rule
	// NearLimit is how many entries a list that is matched nearly may have; 0
	// for DefaultNearLimit.
	NearLimit int
}

// Rule says how one list is kept and matched. Lists without one are matched
// exactly and keep all that each entry says.
type Rule struct {
	// Near matches look-alikes too, and only a list of at most NearLimit entries.
	Near bool
	// Status keeps a list of tens of millions of entries that, but for VRM and
	// line, come in at most MaxStatuses kinds. It holds from the next import.
	Status bool
}

// DefaultNearLimit keeps look-alikes away from national lists, of which they
// would make a flood of near matches.
const DefaultNearLimit = 50_000

// Cache holds the lists in force. Its methods are safe for concurrent use.
type Cache struct {
	config CacheConfig
	key    *sealed.Key
	lock   *os.File
	alike  *match.LookAlikes

	// importing is held by whoever writes files.
	importing sync.Mutex
	// mu guards lists, by name, and their names in order, which are never changed in
	// place; a list is closed only while mu is held for writing.
	mu    sync.RWMutex
	lists map[string]list
	names []string
}

// put puts a list in force and take takes one out; mu is held for writing, or nobody
// else has the cache yet.
func (c *Cache) put(name string, l list) {
	c.lists[name] = l
	c.names = slices.Sorted(maps.Keys(c.lists))
}

func (c *Cache) take(name string) {
	delete(c.lists, name)
	c.names = slices.Sorted(maps.Keys(c.lists))
}

// Open opens the cache, checks every list in it from end to end, sets damaged
// ones aside and removes what an interrupted import left. Only one process at a
// time can have it open: the error is ErrInUse.
func Open(c CacheConfig) (*Cache, error) {
	if c.NearLimit == 0 {
		c.NearLimit = DefaultNearLimit
	}
	if err := sealed.MakeDir(c.Path); err != nil {
		return nil, err
	}
	lock, err := lockFolder(c.Path)
	if err != nil {
		return nil, err
	}
	cache := &Cache{config: c, key: c.Key.Derive("hot list cache"), lock: lock, alike: match.NewLookAlikes(c.Profile), lists: map[string]list{}}
	if err := cache.load(); err != nil {
		return nil, errors.Join(err, cache.Close())
	}
	return cache, nil
}

// lockFolder holds until its file is closed or the process ends, however.
func lockFolder(path string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrInUse
		}
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), lock.Close())
	}
	return lock, nil
}

func (c *Cache) load() error {
	names, err := c.files()
	if err != nil {
		return err
	}
	for _, name := range names {
		path := filepath.Join(c.config.Path, name)
		if strings.HasPrefix(name, "."+floorsFile) { // written half when the power went
			err = os.Remove(path)
		}
		switch filepath.Ext(name) {
		case unfinishedSuffix:
			c.config.Log.Warn("an import was interrupted; the list before it stays in force")
			err = os.RemoveAll(path)
		case listSuffix, statusSuffix:
			err = c.loadList(path)
		}
		if err != nil {
			return err
		}
	}
	for name, l := range c.lists {
		if l, ok := l.(*entryList); ok {
			if err := c.settle(l); err != nil { // what is pending holds all the same
				c.config.Log.Warn("what a delta has changed stays beside the list's entries for now", "list", name, "error", err)
			}
		}
	}
	return nil
}

// files gives the names of everything in the folder.
func (c *Cache) files() ([]string, error) {
	entries, err := os.ReadDir(c.config.Path)
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

// loadList puts a file in force unless it is damaged or a newer one is.
func (c *Cache) loadList(path string) error {
	l, err := openList(path, c.key)
	if err == nil {
		err = c.whole(l)
	}
	if errors.Is(err, ErrDamaged) {
		return c.setAside(path, l, err)
	}
	if err != nil {
		return err
	}
	name := l.version().List
	older := c.lists[name]
	if older != nil && older.about().number() > l.about().number() {
		l, older = older, l
	}
	c.put(name, l)
	if c.rule(l).Near && l.version().Entries > c.config.NearLimit {
		c.config.Log.Warn("a list is matched exactly", "list", name, "error", ErrNearTooMany)
	}
	if older != nil {
		return discard(older)
	}
	return nil
}

// whole checks what a file holds, and that it has the name it was given.
func (c *Cache) whole(l list) error {
	v, name := l.version(), filepath.Base(l.path())
	if want := fileName(c.key, v.List, l.about().number(), filepath.Ext(name)); name != want {
		return fmt.Errorf("%s: %w: it is version %d and belongs in %s", name, ErrDamaged, v.Version, want)
	}
	return l.verify(context.Background())
}

// setAside renames a damaged file so that nothing uses it again and a person can
// look at it, until the list is imported again. l may be nil.
func (c *Cache) setAside(path string, l list, cause error) error {
	c.config.Log.Error("a cached list is damaged and was set aside; import it again", "file", filepath.Base(path), "error", cause)
	var errs []error
	if l != nil {
		errs = append(errs, l.close())
	}
	errs = append(errs, os.Rename(path, path+corruptInfix+c.config.Clock.Now().UTC().Format("20060102T150405Z")))
	return errors.Join(append(errs, sealed.SyncDir(c.config.Path))...)
}

// Match gives a hit for every entry of every list with exactly this VRM that has
// not expired, and for those of lists matched nearly with one that looks alike,
// highest priority first. Where a list is damaged the hits of the others are given
// beside ErrDamaged.
func (c *Cache) Match(v nrd.VRM) ([]nrd.Hit, error) {
	now := c.config.Clock.Stamp()
	c.mu.RLock()
	names := c.names
	c.mu.RUnlock()
	var hits []nrd.Hit
	var errs []error
	for _, name := range names {
		found, err := c.matchOne(name, v, now)
		if hits == nil {
			hits = found
		} else {
			hits = append(hits, found...)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	match.Sort(hits)
	return hits, errors.Join(errs...)
}

func (c *Cache) matchOne(name string, v nrd.VRM, now nrd.Stamp) ([]nrd.Hit, error) {
	c.mu.RLock()
	l := c.lists[name]
	if l == nil {
		c.mu.RUnlock()
		return nil, nil
	}
	version := l.version()
	f := newFound()
	defer f.leave()
	err := c.lookup(l, v, f)
	c.mu.RUnlock()
	if errors.Is(err, ErrDamaged) {
		return nil, errors.Join(fmt.Errorf("list %s: %w", name, err), c.dropDamaged(name, l, err))
	}
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", name, err)
	}
	m := match.Moment{List: version, Now: now, Profile: c.config.Profile}
	if c.config.Good != nil && len(f.entries) > 0 {
		m.Good = c.config.Good()
	}
	return match.Hits(f.entries, v, m), nil
}

// lookup finds the entries of a list that a read matches, expired ones too.
func (c *Cache) lookup(l list, v nrd.VRM, f *found) error {
	err := l.lookup(v, f)
	if !c.rule(l).Near || l.version().Entries > c.config.NearLimit {
		return err
	}
	for _, near := range c.alike.Near(v) {
		if err != nil {
			return err
		}
		err = l.lookup(near, f)
	}
	return err
}

// rule is central's for a list that came from there, and else the configured one.
func (c *Cache) rule(l list) Rule {
	if p := l.about().Published; p != nil {
		return Rule{Near: p.Near, Status: p.Status}
	}
	return c.config.Rules[l.version().List]
}

func (c *Cache) dropDamaged(name string, l list, cause error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lists[name] != l {
		return nil // another goroutine was here first
	}
	c.take(name)
	return c.setAside(l.path(), l, cause)
}

// Lists gives the versions in force, by name.
func (c *Cache) Lists() ([]nrd.ListVersion, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var versions []nrd.ListVersion
	for _, name := range c.names {
		versions = append(versions, c.lists[name].version())
	}
	return versions, nil
}

// SetAside counts the lists that are out of force because their file was damaged, be it
// in an earlier run.
func (c *Cache) SetAside() (int, error) {
	files, err := c.files()
	lists := map[string]bool{}
	for _, f := range files {
		if list, _, _ := strings.Cut(f, "-"); strings.Contains(f, corruptInfix) {
			lists[list] = true
		}
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, name := range c.names {
		delete(lists, hiddenName(c.key, name))
	}
	return len(lists), err
}

// Remove takes a list out of force and off the disk. The error is ErrNoList
// where it is not in the cache.
func (c *Cache) Remove(name string) error {
	c.importing.Lock()
	defer c.importing.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lists[name]
	if l == nil {
		return fmt.Errorf("%s: %w", name, ErrNoList)
	}
	c.take(name)
	return errors.Join(discard(l), c.setFloor(name, time.Time{}))
}

// Close waits for an import to end and closes the lists.
func (c *Cache) Close() error {
	c.importing.Lock()
	defer c.importing.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, l := range c.lists {
		errs = append(errs, l.close())
	}
	clear(c.lists)
	c.names = nil
	return errors.Join(append(errs, c.lock.Close())...)
}
