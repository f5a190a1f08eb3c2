package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"nrd/collector/store"
	"nrd/internal/sealed"
)

// maxOpen is how many days stay open though nobody uses them.
const maxOpen = 32

// days opens days when they are asked for and closes the one that was not used
// for longest.
type days struct {
	dir  string
	site *site
	log  *slog.Logger

	mu     sync.Mutex
	idle   sync.Cond // a user let a day go
	open   map[string]*openedDay
	totals map[string]totals // of days that were open once
	use    uint64
}

type openedDay struct {
	*day
	users int
	used  uint64 // newest is largest
}

func newDays(dir string, s *site, log *slog.Logger) *days {
	d := &days{dir: dir, site: s, log: log, open: map[string]*openedDay{}, totals: map[string]totals{}}
	d.idle.L = &d.mu
	return d
}

func (d *days) folder(name string) string { return filepath.Join(d.dir, name) }

// acquire opens a day; the caller lets it go with release. A day that is not
// held is made, or with make false store.ErrNotFound.
func (d *days) acquire(ctx context.Context, name string, create bool) (*day, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.use++
	if o, ok := d.open[name]; ok {
		o.users++
		o.used = d.use
		return o.day, nil
	}
	key, err := d.site.dayKey(ctx, name)
	if errors.Is(err, store.ErrNotFound) && create {
		if err := d.setAside(name); err != nil {
			return nil, explain(err)
		}
		key, err = d.site.makeDayKey(ctx, name)
	}
	if err != nil {
		return nil, err
	}
	opened, err := openDay(d.folder(name), name, key)
	if err != nil {
		return nil, explainAt(d.dir, err)
	}
	d.open[name] = &openedDay{day: opened, users: 1, used: d.use}
	d.totals[name] = opened.totals()
	d.closeIdle(maxOpen)
	return opened, nil
}

// setAside moves the folder of a day without a key out of the way of a new one:
// no key will ever open it that is made now.
func (d *days) setAside(name string) error {
	if _, err := os.Lstat(d.folder(name)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for n := 1; ; n++ {
		aside := fmt.Sprintf("%s.without-key-%d", d.folder(name), n)
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			d.log.Warn("a day's folder has no key and cannot be read; it is set aside and may be removed", "folder", aside)
			return errors.Join(os.Rename(d.folder(name), aside), sealed.SyncDir(d.dir))
		}
	}
}

func (d *days) release(day *day) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.totals[day.name] = day.totals()
	d.open[day.name].users--
	d.closeIdle(maxOpen)
	d.idle.Broadcast()
}

// with calls f with a day that is held.
func (d *days) with(ctx context.Context, name string, f func(*day) error) error {
	day, err := d.acquire(ctx, name, false)
	if err != nil {
		return err
	}
	defer d.release(day)
	return explainAt(d.dir, f(day))
}

// total gives a day's totals without opening it twice for them.
func (d *days) total(ctx context.Context, name string) (totals, error) {
	d.mu.Lock()
	t, ok := d.totals[name]
	if o, isOpen := d.open[name]; isOpen {
		t = o.totals()
	}
	d.mu.Unlock()
	if ok {
		return t, nil
	}
	err := d.with(ctx, name, func(day *day) error {
		t = day.totals()
		return nil
	})
	return t, err
}

// closeIdle closes unused days, longest unused first, until at most keep are
// open or all are in use. Everything committed is safe without closing, so an
// error is only logged.
func (d *days) closeIdle(keep int) {
	for len(d.open) > keep {
		var oldest *openedDay
		for _, o := range d.open {
			if o.users == 0 && (oldest == nil || o.used < oldest.used) {
				oldest = o
			}
		}
		if oldest == nil {
			return
		}
		delete(d.open, oldest.name)
		if err := oldest.close(); err != nil {
			d.log.Error("closing a day", "day", oldest.name, "error", err)
		}
	}
}

// remove waits until nobody uses the day, destroys its key and removes its
// files.
func (d *days) remove(ctx context.Context, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.open[name] != nil && d.open[name].users > 0 {
		d.idle.Wait()
	}
	if _, err := d.site.dayKey(ctx, name); err != nil {
		return err
	}
	var errs []error
	if o := d.open[name]; o != nil {
		delete(d.open, name)
		errs = append(errs, o.close())
	}
	delete(d.totals, name)
	errs = append(errs, d.site.destroyDay(ctx, name), os.RemoveAll(d.folder(name)), sealed.SyncDir(d.dir))
	return errors.Join(errs...)
}

// close waits for all users and closes everything.
func (d *days) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.busy() {
		d.idle.Wait()
	}
	d.closeIdle(0)
}

func (d *days) busy() bool {
	for _, o := range d.open {
		if o.users > 0 {
			return true
		}
	}
	return false
}

// withoutKey lists folders of days that have no key: what a removal that was
// cut off left, or days that a site database from an older backup cannot know.
func (d *days) withoutKey(ctx context.Context) ([]string, error) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return nil, err
	}
	held, err := d.site.days(ctx)
	if err != nil {
		return nil, err
	}
	var lost []string
	for _, e := range entries {
		if !slices.Contains(held, e.Name()) {
			lost = append(lost, e.Name())
		}
	}
	return lost, nil
}
