package lists

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"nrd/collector/alarm"
	"nrd/collector/store"
	"nrd/hotlist/voi"
	"nrd/internal/sealed"
	"nrd/internal/turn"
)

// inboxEvery is how often the inbox is looked into. A file is taken when it has not
// changed between two looks: until then it may still be on its way.
const inboxEvery = 5 * time.Second

// byInbox is who brought a file that lay in the inbox.
const byInbox = "inbox"

// inbox is what was seen of the files in the watched folder.
type inbox struct {
	seen map[string]arrival
	// broken says why the last file was refused, where it was so broken that no list
	// knew it for its own; "" where it was not.
	broken string
	// aside is for files of statuses, which take minutes: other files that come
	// meanwhile, of people who are wanted, do not wait.
	aside turn.Aside
}

// arrival is a file as it was at the last look.
type arrival struct {
	size     int64
	modified time.Time
}

var errUnclaimed = errors.New("no list takes this file, or central may not read it")

// lookIntoInbox loads what has come. A file is removed when it is dealt with: what
// it said is in the report, and nothing of it stays unencrypted.
func (l *Lists) lookIntoInbox(ctx context.Context) error {
	entries, err := os.ReadDir(l.Inbox)
	if err != nil {
		return err
	}
	seen := map[string]arrival{}
	var unclaimed []string
	var errs []error
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) || unfinished(e.Name()) {
			continue
		}
		if err != nil || !info.Mode().IsRegular() { // never a link, a pipe or a folder
			errs = append(errs, err)
			continue
		}
		now := arrival{size: info.Size(), modified: info.ModTime()}
		if before, known := l.inbox.seen[e.Name()]; known && before.size == now.size && before.modified.Equal(now.modified) {
			err := l.takeFromInbox(ctx, e.Name())
			if errors.Is(err, errUnclaimed) {
				unclaimed = append(unclaimed, e.Name())
			} else {
				errs = append(errs, err)
			}
		}
		seen[e.Name()] = now
	}
	l.inbox.seen = seen
	var wrong []string
	if l.inbox.broken != "" {
		wrong = append(wrong, "the last file was refused, and nobody knows whose it is: "+l.inbox.broken)
	}
	if len(unclaimed) > 0 {
		wrong = append(wrong, "files lie in it that no list takes, or that central may not read: "+strings.Join(unclaimed, ", "))
	}
	return errors.Join(append(errs, l.say(ctx, byInbox, alarm.Extract, strings.Join(wrong, "; ")))...)
}

// remember finds out whether the last file before this start was broken.
func (l *Lists) remember(ctx context.Context) error {
	last, err := l.Store.Imports(ctx, "", 1)
	if err == nil && len(last) == 1 && last[0].List == "" {
		l.inbox.broken = last[0].Why
	}
	return err
}

// unfinished says that a name is one that copying programs give until they are done.
func unfinished(name string) bool {
	ext := strings.ToLower(filepath.Ext(name))
	return strings.HasPrefix(name, ".") || ext == ".part" || ext == ".tmp" || ext == ".filepart"
}

// takeFromInbox loads one file and removes it. After an error it is tried again; one
// that no list takes stays until there is one. Where central ends between the two, the
// file is loaded again, and changes nothing.
func (l *Lists) takeFromInbox(ctx context.Context, name string) error {
	path := filepath.Join(l.Inbox, name)
	f, err := voi.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return errUnclaimed
	}
	if err != nil {
		return l.unreadable(ctx, path, err)
	}
	list, err := l.listOf(ctx, f.Source)
	if err != nil {
		f.Close() //nolint:errcheck // it was not even read
		if errors.Is(err, store.ErrNotFound) {
			return errUnclaimed
		}
		return err
	}
	if !list.Status {
		err := l.loadFromInbox(ctx, list, f)
		if err == nil {
			l.inbox.broken = ""
		}
		return err
	}
	started := l.inbox.aside.Start(func() {
		if err := l.loadFromInbox(ctx, list, f); err != nil && ctx.Err() == nil {
			l.Log.Error("a file of statuses is not loaded and is tried again", "list", list.Name, "file", name, "error", err)
		}
	})
	if !started {
		return f.Close() // it has its turn at a later look
	}
	l.inbox.broken = ""
	return nil
}

// loadFromInbox loads a file, removes and closes it.
func (l *Lists) loadFromInbox(ctx context.Context, list store.List, f *voi.File) error {
	defer f.Close() //nolint:errcheck // it was only read
	if _, err := l.load(ctx, list, f, byInbox); err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	return errors.Join(l.removeFromInbox(filepath.Join(l.Inbox, f.Name)), l.watch(ctx))
}

// unreadable deals with what is no list file. Whose it was to be, its name may tell.
func (l *Lists) unreadable(ctx context.Context, path string, cause error) error {
	why, refused := refusal(cause)
	if !refused {
		return cause
	}
	name, now := filepath.Base(path), l.Clock.Now()
	list, err := l.named(ctx, name)
	if err != nil {
		return err
	}
	l.Log.Warn("a file in the inbox is refused", "list", list, "file", name, "why", why)
	i := store.ListImport{List: list, By: byInbox, File: name, Received: now, Issued: now, State: store.ImportRefused, Why: why}
	if _, err := l.Store.PutImport(ctx, i); err != nil {
		return err
	}
	if l.inbox.broken = ""; list == "" {
		l.inbox.broken = why
	}
	return errors.Join(l.removeFromInbox(path), l.watch(ctx))
}

func (l *Lists) removeFromInbox(path string) error {
	return errors.Join(os.Remove(path), sealed.SyncDir(l.Inbox))
}

// named finds the list whose source a file's name begins with; "" for none.
func (l *Lists) named(ctx context.Context, file string) (string, error) {
	all, err := l.Store.Lists(ctx)
	var name, source string
	for _, list := range all {
		rest, begins := strings.CutPrefix(file, list.Source)
		if begins && strings.IndexAny(rest, "_.-") == 0 && len(list.Source) > len(source) && list.Withdrawn.IsZero() {
			name, source = list.Name, list.Source
		}
	}
	return name, err
}

// listOf finds the list that takes the files of a source.
func (l *Lists) listOf(ctx context.Context, source string) (store.List, error) {
	all, err := l.Store.Lists(ctx)
	if err != nil {
		return store.List{}, err
	}
	for _, list := range all {
		if !list.Local() && list.Source == source && list.Withdrawn.IsZero() {
			return list, nil
		}
	}
	return store.List{}, fmt.Errorf("files of %q: %w", source, store.ErrNotFound)
}
