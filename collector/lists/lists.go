// Package lists keeps the lists of vehicles of interest at central: those that come
// in files, such as the national extract, and the force's own.
//
//	l := &lists.Lists{Store: st, Access: door, Dir: dir, Inbox: inbox, Key: key, …}
//	err := l.Initialize(ctx)
//	go l.Run(ctx)          // the inbox, the matching, publishing, alarms
//	l.Stored(record)       // by ingest, for each record; it does not wait
//	l.Told(event)          // by ingest, for what was told at units' screens; neither
//
// A file that lies in the inbox is loaded without a hand, into the list whose Source
// its name begins with. It is read line by line; what it says of each line is kept
// as a report. The next version is built beside the one in force and takes its place
// in one step of the store; whatever breaks on the way changes nothing. A file that
// would empty a list, or take much away from it, waits for a person.
//
// A local list is made and changed here, entry by entry or with a file. Its entries
// stand in the store, and each change builds the next version from them.
//
// Both kinds are matched at central with package hotlist/match, as on the units, and
// are handed to a [Publisher] for the units, without the covert entries. There is one
// hit alarm for each passage and entry, whoever saw it first. Everything that a
// person does or looks at here is judged and logged by package access first; what
// central does by itself with stored reads is logged as well.
package lists

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"nrd"
	"nrd/collector/access"
	"nrd/collector/store"
	"nrd/hotlist/match"
	"nrd/internal/sealed"
	"nrd/internal/turn"
)

// Limits are what a force decides about its lists.
type Limits struct {
	// Shrink is the share of its entries that a list may lose with one file, and of
	// lines that may be refused in one, before a person is asked; 0 to 1.
	Shrink float64
	// Late is how long after its time a file may come.
	Late time.Duration
	// Retrospect is how far back stored records are searched when an entry is added;
	// 0: they are not.
	Retrospect time.Duration
	// Expired is how long an entry of a local list is kept after its weed date.
	Expired time.Duration
}

// NearLimit keeps look-alikes away from national lists, of which they would make a
// flood of near matches: a list with more entries is matched exactly.
const NearLimit = 50_000

// near says whether a list is matched with look-alikes: it asks for them, and is not
// too large.
func near(list *store.List) bool { return list.Near && list.InForce.Entries <= NearLimit }

// Lists are the site's lists. Fill the fields, then call Initialize.
type Lists struct {
	Store  store.Store
	Access *access.Service
	// Dir holds the lists' entries, Inbox is where files come in; both are made.
	Dir, Inbox string
	// Key is the site's master key.
	Key     *sealed.Key
	Profile nrd.Profile
	Limits  Limits
	Clock   nrd.Clock
	Log     *slog.Logger
	// Publisher takes lists to the units. It may be nil.
	Publisher Publisher
	// Signing says how it stands with the keys and the metadata. It may be nil.
	Signing func() Signing
	// OnHit is called with a record for which central has raised hit alarms that
	// the unit did not see. It must not wait, and may be nil.
	OnHit func(store.StoredRecord)

	key   *sealed.Key
	alike *match.LookAlikes
	inbox inbox

	// turns are of whoever makes versions of a list.
	turns turn.Turns
	// mu guards inForce; a file is closed only while it is held for writing.
	mu      sync.RWMutex
	inForce map[string]*inForce

	matching matching
	// aside is for publishing lists of statuses.
	aside turn.Aside
	// behindSince is since when the units were seen to be without what is in force.
	behindSince map[string]time.Time
	// publishing, searching and telling wake the goroutines that publish, search and
	// raise what units told.
	publishing, searching, telling chan struct{}
	// toldDone are events of which the hits are raised; only the goroutine that raises
	// them uses it.
	toldDone map[nrd.Key]bool
	// searched are the searches in retrospect that are in the access log and not at
	// their end; only the goroutine that searches uses it.
	searched map[uint64]bool
	// weeded is the last day, counted from 1970, on which it was looked for entries to
	// be removed; only the goroutine that looks after the lists uses it.
	weeded int64
}

// inForce is a list with its entries opened.
type inForce struct {
	store.List
	file *file
}

// Initialize makes the folders, opens what is in force and builds local lists anew
// that are not.
func (l *Lists) Initialize(ctx context.Context) error {
	if l.Store == nil || l.Access == nil || l.Key == nil || l.Clock == nil || l.Log == nil || l.Dir == "" || l.Inbox == "" {
		return errors.New("lists: Store, Access, Dir, Inbox, Key, Clock and Log are needed")
	}
	l.key, l.alike = l.Key.Derive("central's lists"), match.NewLookAlikes(l.Profile)
	l.inForce, l.behindSince = map[string]*inForce{}, map[string]time.Time{}
	l.publishing, l.searching, l.telling = make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)
	l.matching.queue, l.matching.behind = make(chan store.StoredRecord, matchQueue), make(chan struct{}, 1)
	l.inbox.seen, l.searched = map[string]arrival{}, map[uint64]bool{}
	for _, dir := range []string{l.Dir, l.Inbox} {
		if err := sealed.MakeDir(dir); err != nil {
			return fmt.Errorf("lists: %w", err)
		}
	}
	if err := errors.Join(l.tidy(ctx), l.remember(ctx)); err != nil {
		return fmt.Errorf("lists: %w", err)
	}
	all, err := l.Store.Lists(ctx)
	if err != nil {
		return fmt.Errorf("lists: %w", err)
	}
	for _, list := range all {
		if err := l.restore(ctx, list); err != nil {
			return fmt.Errorf("lists: %s: %w", list.Name, err)
		}
	}
	return nil
}

// restore opens a list, and builds a local one anew where its entries are not those
// of the last change, or are damaged. A list of statuses is gone through when all
// else goes on, see verifyStatuses.
func (l *Lists) restore(ctx context.Context, list store.List) error {
	err := l.open(list)
	if f := l.inForce[list.Name]; f != nil && !list.Status {
		if err = f.file.verify(ctx); err != nil {
			l.damaged(f, err)
		}
	}
	damaged := errors.Is(err, ErrDamaged) || errors.Is(err, os.ErrNotExist)
	switch {
	case list.Local() && list.Withdrawn.IsZero() && (damaged || list.Built != list.Changes):
		return l.build(ctx, list.Name)
	case damaged:
		l.Log.Error("a list's entries are lost; import it again", "list", list.Name, "error", err)
		return nil
	}
	return err
}

// tidy removes files that nothing points to: what an interruption left, and
// versions that are in force no more.
func (l *Lists) tidy(ctx context.Context) error {
	all, err := l.Store.Lists(ctx)
	if err != nil {
		return err
	}
	held, err := l.Store.HeldImports(ctx)
	if err != nil {
		return err
	}
	kept := map[string]bool{}
	for _, list := range all {
		kept[list.File] = list.Withdrawn.IsZero()
	}
	for _, i := range held {
		kept[i.Candidate] = true
	}
	entries, err := os.ReadDir(l.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !kept[e.Name()] {
			err = errors.Join(err, os.RemoveAll(filepath.Join(l.Dir, e.Name())))
		}
	}
	return err
}

// Run watches the inbox, matches, publishes and raises alarms until ctx ends; then
// it closes what is open.
func (l *Lists) Run(ctx context.Context) error {
	defer l.Close()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return l.every(ctx, inboxEvery, nil, "the inbox", l.lookIntoInbox) })
	g.Go(func() error { return l.every(ctx, watchEvery, nil, "the lists' alarms", l.lookAfter) })
	g.Go(func() error { return l.every(ctx, publishEvery, l.publishing, "publishing", l.publish) })
	g.Go(func() error { return l.every(ctx, watchEvery, nil, "the alarms about publishing", l.lookAtPublishing) })
	g.Go(func() error { return l.every(ctx, searchEvery, l.searching, "retrospect", l.search) })
	g.Go(func() error { return l.every(ctx, tellEvery, l.telling, "hits that units told", l.raiseTold) })
	g.Go(func() error { return l.match(ctx) })
	g.Go(func() error { l.verifyStatuses(ctx); return nil })
	return g.Wait()
}

// verifyStatuses reads the lists of statuses that are in force to their end: for some
// tens of seconds, in which a start that waited for it would match nothing.
func (l *Lists) verifyStatuses(ctx context.Context) {
	for _, f := range l.opened() {
		if !f.Status {
			continue
		}
		own, err := openFile(f.file.disk.Name(), f.file.key) // the other is closed where a new version comes
		if err == nil {
			err = errors.Join(own.verify(ctx), own.close())
		}
		if errors.Is(err, ErrDamaged) {
			l.damaged(f, err)
		}
	}
}

// opened gives the lists that are matched.
func (l *Lists) opened() []*inForce {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Collect(maps.Values(l.inForce))
}

// every does something at once, and then at intervals and when it is woken. What
// fails is logged and tried again.
func (l *Lists) every(ctx context.Context, interval time.Duration, wake <-chan struct{}, what string, do func(context.Context) error) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if err := do(ctx); err != nil && ctx.Err() == nil {
			l.Log.Error("lists: something failed and is tried again", "what", what, "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-wake:
		}
	}
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Close waits for what is done aside and closes what is open, for whoever does not call Run.
func (l *Lists) Close() {
	l.inbox.aside.Wait()
	l.aside.Wait()
	l.closeAll()
}

func (l *Lists) closeAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, f := range l.inForce {
		delete(l.inForce, name)
		if err := f.file.close(); err != nil {
			l.Log.Error("closing a list", "list", name, "error", err)
		}
	}
}

// path is where a file of a name is, keyOf what opens it.
func (l *Lists) path(name string) string { return filepath.Join(l.Dir, name) }

func (l *Lists) keyOf(name string) *sealed.Key { return l.key.Derive("file " + name) }

// newName draws the name of a file; it tells nothing of the list.
func newName() string { return strings.ToLower(rand.Text()) }

// open puts a list's version in the place of the one that was matched so far.
func (l *Lists) open(list store.List) error {
	var opened *inForce
	if list.File != "" && list.Withdrawn.IsZero() {
		f, err := openFile(l.path(list.File), l.keyOf(list.File))
		if err != nil {
			return err
		}
		opened = &inForce{list, f}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.inForce[list.Name]
	delete(l.inForce, list.Name)
	if opened != nil {
		l.inForce[list.Name] = opened
	}
	if before == nil {
		return nil
	}
	return before.file.close()
}

// renew gives an open list its new settings.
func (l *Lists) renew(list store.List) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if held := l.inForce[list.Name]; held != nil {
		l.inForce[list.Name] = &inForce{list, held.file}
	}
}

// discard removes a file; one that is not there is no error.
func (l *Lists) discard(name string) {
	if name == "" {
		return
	}
	if err := os.Remove(l.path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		l.Log.Error("a file of a list is not removed", "file", name, "error", err)
	}
}

// damaged takes a list that cannot be read out of the matching.
func (l *Lists) damaged(f *inForce, cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inForce[f.Name] != f {
		return // somebody was here first
	}
	l.Log.Error("a list's entries are damaged", "list", f.Name, "error", cause)
	delete(l.inForce, f.Name)
	if err := f.file.close(); err != nil {
		l.Log.Error("closing a list", "list", f.Name, "error", err)
	}
}

// isOpen says that a list is matched.
func (l *Lists) isOpen(name string) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.inForce[name] != nil
}

// authorise asks package access for leave.
func (l *Lists) authorise(ctx context.Context, by access.By, right access.Right, action, subject, reason string) error {
	_, err := l.Access.Authorise(ctx, access.Request{Account: by.Account, From: by.From, Right: right, Action: action, Subject: subject, Reason: reason})
	return err
}

// expires is when the next version of a list issued now is due at the latest.
func (l *Lists) expires(list *store.List, issued time.Time) time.Time {
	switch {
	case list.Local():
		return issued.Add(24 * time.Hour / time.Duration(max(l.Profile.ListSyncsPerDay, 1)))
	default:
		return issued.Add(due(list) + l.Limits.Late)
	}
}
