package lists

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"nrd"
	"nrd/collector/store"
	"nrd/hotlist/voi"
	"nrd/internal/sealed"
)

// operations are the words for what a file does.
var operations = map[voi.Operation]string{voi.Replace: "replace", voi.Insert: "insert", voi.Delete: "delete"}

// load reads a file into a list that comes in files, and says what became of it. An
// error is not the file's fault: try again.
func (l *Lists) load(ctx context.Context, list store.List, f *voi.File, by string) (store.ListImport, error) {
	defer l.turns.Take(list.Name)()
	i := store.ListImport{
		List: list.Name, By: by, File: f.Name, Operation: operations[f.Operation], Received: l.Clock.Now(), Before: list.InForce.Entries, Issued: l.issued(f),
	}
	work, err := os.MkdirTemp(l.Dir, "import-")
	if err != nil {
		return i, err
	}
	defer os.RemoveAll(work)                 //nolint:errcheck // what stays is removed by the next start
	list, err = l.Store.List(ctx, list.Name) // as it is now
	if err == nil {
		i.Before = list.InForce.Entries
		err = l.take(ctx, &list, &i, f, work)
	}
	if why, refused := refusal(err); refused {
		i.State, i.Why = store.ImportRefused, why
		l.Log.Warn("a list file is refused; the list stays as it was", "list", list.Name, "file", i.File, "why", why)
		return l.Store.PutImport(ctx, i)
	}
	return i, err
}

// issued is when the file's list was made: when the file was last changed, and no
// later than now.
func (l *Lists) issued(f *voi.File) time.Time {
	if now := l.Clock.Now(); f.Modified.After(now) || f.Modified.IsZero() {
		return now
	}
	return f.Modified
}

// refusal says whether an error is the file's own fault, and why in words.
func refusal(err error) (why string, refused bool) {
	for _, fault := range []error{voi.ErrNoEntries, voi.ErrUTF16, voi.ErrZIP, voi.ErrTooLarge, ErrOlder, ErrInvalid} {
		if errors.Is(err, fault) {
			return err.Error(), true
		}
	}
	return "", false
}

// take reads the file, judges what it would do, and puts it in force or holds it.
func (l *Lists) take(ctx context.Context, list *store.List, i *store.ListImport, f *voi.File, work string) error {
	if err := l.older(i, list); err != nil {
		return err
	}
	if i.Operation != operations[voi.Replace] {
		waiting, err := l.heldOf(ctx, list.Name)
		if err != nil {
			return err
		}
		if len(waiting) >= maxWaiting {
			return fmt.Errorf("%w: %d files of the list wait already; send the whole list", ErrInvalid, len(waiting))
		}
	}
	i.Candidate = newName()
	if err := l.read(ctx, list, i, f, work); err != nil {
		return errors.Join(err, l.drop(i.Candidate))
	}
	return l.decide(ctx, list, i)
}

// read puts the file's good lines in order into the candidate, and makes the report.
func (l *Lists) read(ctx context.Context, list *store.List, i *store.ListImport, f *voi.File, work string) (err error) {
	s := newSorter(work)
	defer func() { err = errors.Join(err, s.close()) }()
	text := sha256.New()
	var said kinds
	report, err := voi.Parse(io.TeeReader(f, text), voi.Options{File: f.Name, List: list.Name, Now: l.Clock.Now()}, func(e nrd.Entry) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if list.Status && f.Operation != voi.Delete {
			if err := said.add(&e); err != nil {
				return err
			}
		}
		return s.add(rowOf(&item{Entry: e}))
	})
	i.Report, i.Text = *report, hex.EncodeToString(text.Sum(nil))
	if err != nil {
		return err
	}
	rows, err := s.sorted()
	if err != nil {
		return err
	}
	i.Entries, err = l.write(ctx, i.Candidate, &unique{from: rows, report: report})
	i.Report = *report
	return err
}

// write writes a file and reads it back.
func (l *Lists) write(ctx context.Context, name string, rows stream) (entries int, err error) {
	w, err := newWriter(l.path(name), l.keyOf(name))
	if err != nil {
		return 0, err
	}
	for {
		r, ok, err := rows.next()
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && ok {
			err = w.add(r)
		}
		if err != nil {
			return 0, errors.Join(err, w.abandon())
		}
		if !ok {
			break
		}
	}
	if err := w.finish(); err != nil {
		return 0, errors.Join(err, os.Remove(l.path(name)))
	}
	if err := sealed.SyncDir(l.Dir); err != nil {
		return 0, err
	}
	f, err := openFile(l.path(name), l.keyOf(name))
	if err != nil {
		return 0, err
	}
	return f.entries, errors.Join(f.verify(ctx), f.close())
}

// drop removes a candidate that is used no more, unless it is in force: it has
// another name then.
func (l *Lists) drop(name string) error {
	err := os.Remove(l.path(name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// decide puts the candidate in force, or holds it.
func (l *Lists) decide(ctx context.Context, list *store.List, i *store.ListImport) error {
	candidate := i.Candidate
	v, err := l.version(ctx, list, i)
	if err != nil {
		return errors.Join(err, l.drop(candidate))
	}
	i.Expired = i.Entries - v.after
	why, err := l.doubt(ctx, list, i, v)
	if err == nil && why == "" {
		i.State = store.ImportLoaded
		if err := l.putInForce(ctx, i, v); err != nil {
			return err
		}
		return l.dropUnless(candidate, v.file)
	}
	err = errors.Join(err, l.dropUnless(v.file, candidate))
	if err == nil {
		i.State, i.Why = store.ImportHeld, why
		*i, err = l.Store.PutImport(ctx, *i)
	}
	if err != nil {
		i.State = ""
		return errors.Join(err, l.drop(candidate))
	}
	l.Log.Warn("a list file waits for a person", "list", list.Name, "file", i.File, "import", i.ID, "why", why)
	if i.Operation == operations[voi.Replace] {
		l.supersede(ctx, i, fmt.Sprintf("the newer file %s waits in its place", i.File))
	}
	return nil
}

func (l *Lists) dropUnless(name, kept string) error {
	if name == kept {
		return nil
	}
	return l.drop(name)
}

// version is the next one of a list: its file, the marks that are new on it or why
// nobody looks for them in stored records, and how many entries match now in the one
// before and in this one, the expired left out.
type version struct {
	file          string
	marks         []nrd.VRM
	unsearched    string
	before, after int
}

// version makes the next version of a list from the candidate, which is that version
// itself where it replaces the list.
func (l *Lists) version(ctx context.Context, list *store.List, i *store.ListImport) (v version, err error) {
	changes, err := openFile(l.path(i.Candidate), l.keyOf(i.Candidate))
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, changes.close()) }()
	old, err := l.entriesOf(list, i)
	if err != nil {
		return v, err
	}
	if old != nil {
		defer old.close() //nolint:errcheck // it was only read
	}
	day := daySince1970(l.Clock.Now())
	before := &living{from: rowsOf(old), day: day}
	added := &newcomers{old: peeked{from: before}, from: peeked{from: &cursor{file: changes}}}
	after := &living{from: added, day: day}
	if i.Operation == operations[voi.Replace] {
		v.file, err = i.Candidate, errors.Join(drain(ctx, after), drain(ctx, before))
		if errors.Is(err, ErrDamaged) { // the old list is, and goes
			after = &living{from: &cursor{file: changes}, day: day}
			v.before, err = list.InForce.Entries, drain(ctx, after)
			v.after, v.unsearched = after.n, "the list before it is damaged, so that nobody knows which marks are new"
			return v, err
		}
	} else {
		added.from = peeked{from: &changed{
			old: peeked{from: rowsOf(old)}, changes: added.from, remove: i.Operation == operations[voi.Delete], report: &i.Report,
		}}
		v.file = newName()
		var rows stream = after
		if list.Status {
			rows = &few{from: after}
		}
		i.Entries, err = l.write(ctx, v.file, rows)
		if err == nil {
			err = drain(ctx, before)
		}
		if errors.Is(err, ErrDamaged) {
			return v, lost(err)
		}
	}
	v.before, v.after = before.n, after.n
	if v.marks = added.marks; added.more {
		v.marks, v.unsearched = nil, tooMany
	}
	return v, err
}

// entriesOf opens what a file changes; nil where there is nothing and need not be.
func (l *Lists) entriesOf(list *store.List, i *store.ListImport) (*file, error) {
	if list.File == "" {
		if i.Operation == operations[voi.Delete] {
			return nil, fmt.Errorf("%w: it deletes from a list that has no entries yet", ErrInvalid)
		}
		return nil, nil
	}
	f, err := openFile(l.path(list.File), l.keyOf(list.File))
	switch {
	case err == nil:
		return f, nil
	case i.Operation == operations[voi.Replace] && (errors.Is(err, ErrDamaged) || errors.Is(err, os.ErrNotExist)):
		return nil, nil
	case errors.Is(err, ErrDamaged), errors.Is(err, os.ErrNotExist):
		return nil, lost(err)
	}
	return nil, err
}

func lost(cause error) error {
	return fmt.Errorf("%w: it changes a list whose entries are lost; send the whole list: %w", ErrInvalid, cause)
}

func rowsOf(f *file) stream {
	if f == nil {
		return none{}
	}
	return &cursor{file: f}
}

// drain reads a stream to its end.
func drain(ctx context.Context, s stream) error {
	for {
		if _, ok, err := s.next(); err != nil || !ok {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// putInForce makes a file the list's version in force.
func (l *Lists) putInForce(ctx context.Context, i *store.ListImport, v version) error {
	var before string
	var after store.List
	now := l.Clock.Now()
	i.Candidate = ""
	retrospect := l.lookingBack(store.Retrospect{
		List: i.List, At: now, By: i.By, Reason: fmt.Sprintf("added by the file %s", i.File), Marks: v.marks, Unmade: v.unsearched,
	})
	i.Unsearched = retrospect.Unmade
	err := l.Store.PutInForce(ctx, *i, retrospect, func(list *store.List) error {
		before, list.File, list.Text = list.File, v.file, ""
		if i.Operation == operations[voi.Replace] {
			list.Text = i.Text
		}
		list.InForce = nrd.ListVersion{
			List: list.Name, Version: list.InForce.Version + 1, Issued: i.Issued, Loaded: now, Expires: l.expires(list, i.Issued), Entries: i.Entries,
		}
		after = *list
		return nil
	})
	if err != nil {
		return err // what was made is removed by the next start, unless it is in force after all
	}
	l.Log.Info("a list is in force", "list", after.Name, "version", after.InForce.Version, "entries", i.Entries, "file", i.File, "refused", i.Report.Refused)
	if err := l.open(after); err != nil {
		l.Log.Error("a list that was just made cannot be opened", "list", after.Name, "error", err)
	}
	l.discard(before)
	wake(l.publishing)
	wake(l.searching)
	if i.Operation == operations[voi.Replace] {
		l.supersede(ctx, i, fmt.Sprintf("the newer file %s is in force", i.File))
	}
	return nil
}
