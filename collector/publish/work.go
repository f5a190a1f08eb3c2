package publish

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"os"
	"slices"

	"nrd"
	"nrd/hotlist/publication"
	"nrd/hotlist/voi"
	"nrd/internal/sealed"
)

// maxChanges is how many lines a delta may have: what changes more costs a unit
// less when it takes the snapshot.
const maxChanges = 25_000

// work makes the next version of one list.
type work struct {
	p    *Publisher
	list List
	old  *published // nil for none

	snapshot, delta *draft
	changes         int
	before          *before
	content         publication.Content
	entries         int
	// withDelta says that the delta is worth having.
	withDelta bool
	// The vehicle whose lines are being collected.
	vrm   nrd.VRM
	group []line
}

// line is an entry's, with what it says of where it came from: with its VRM that
// is the entry's key.
type line struct {
	text      []byte
	reference string
}

// run writes the version's files, which are drafts until keep is called. The caller
// discards what is not kept, also beside an error.
func (w *work) run(ctx context.Context, entries iter.Seq2[nrd.Entry, error]) (made *published, err error) {
	defer func() { err = errors.Join(err, w.before.close()) }()
	if w.snapshot, err = w.p.newDraft(); err != nil {
		return nil, err
	}
	if w.old != nil && !w.list.Status && !w.old.Status {
		if w.before, err = w.p.openBefore(w.old); err != nil {
			return nil, err
		}
		if w.delta, err = w.p.newDraft(); err != nil {
			return nil, err
		}
	}
	n := 0
	for e, err := range entries {
		if err != nil {
			return nil, err
		}
		if n++; n%1000 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := w.take(&e); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(w.vehicle(), w.rest(), ctx.Err()); err != nil {
		return nil, err
	}
	return w.finish()
}

// take adds an entry to those of its vehicle.
func (w *work) take(e *nrd.Entry) error {
	if e.VRM != w.vrm {
		if e.VRM < w.vrm {
			return fmt.Errorf("%w: %q comes after %q", ErrOrder, e.VRM, w.vrm)
		}
		if err := w.vehicle(); err != nil {
			return err
		}
		w.vrm = e.VRM
	}
	for _, l := range w.group {
		if l.reference == e.Reference {
			return nil
		}
	}
	text, err := voi.FormatLine(e)
	if err != nil {
		return err
	}
	w.group = append(w.group, line{[]byte(text), e.Reference})
	return nil
}

// vehicle writes the lines of one vehicle.
func (w *work) vehicle() error {
	if len(w.group) == 0 {
		return nil
	}
	slices.SortFunc(w.group, func(a, b line) int { return bytes.Compare(a.text, b.text) })
	for _, l := range w.group {
		w.entries++
		w.content.Add(l.text)
		if err := w.snapshot.w.Line(0, l.text); err != nil {
			return err
		}
	}
	if w.delta != nil {
		if err := w.compare(); err != nil {
			return err
		}
	}
	w.group = w.group[:0]
	return nil
}

// compare writes to the delta what became of the vehicles up to this one.
func (w *work) compare() error {
	for !w.before.ended && w.before.vrm() < string(w.vrm) {
		if err := w.gone(); err != nil {
			return err
		}
	}
	kept := map[int]bool{}
	for !w.before.ended && w.before.vrm() == string(w.vrm) {
		at := slices.IndexFunc(w.group, func(l line) bool { return bytes.Equal(l.text, w.before.line) })
		if at < 0 {
			if err := w.gone(); err != nil {
				return err
			}
			continue
		}
		kept[at] = true
		if err := w.before.next(); err != nil {
			return err
		}
	}
	for i, l := range w.group {
		if !kept[i] {
			if err := w.change('+', l.text); err != nil {
				return err
			}
		}
	}
	return nil
}

// gone takes the old list's next line away.
func (w *work) gone() error {
	if err := w.change('-', w.before.line); err != nil {
		return err
	}
	return w.before.next()
}

// change writes a line of the delta. One too many, and there is no delta.
func (w *work) change(sign byte, text []byte) error {
	if w.changes++; w.changes > maxChanges {
		return nil
	}
	return w.delta.w.Line(sign, text)
}

// rest takes away what the old list has behind the last vehicle.
func (w *work) rest() error {
	for w.delta != nil && !w.before.ended {
		if err := w.gone(); err != nil {
			return err
		}
	}
	return nil
}

// finish puts the files on stable storage.
func (w *work) finish() (*published, error) {
	made := &published{List: w.list, Entries: w.entries}
	about := publication.Publication{
		List: w.list.Name, Version: w.list.Version, Made: w.list.Made, Expires: w.list.Expires,
		Entries: w.entries, Content: w.content, Near: w.list.Near, Status: w.list.Status,
	}
	snapshot, err := w.snapshot.finish(about)
	if err != nil {
		return nil, err
	}
	if w.delta != nil && w.changes <= maxChanges {
		about.From = w.old.Version
		delta, err := w.delta.finish(about)
		if err != nil {
			return nil, err
		}
		w.withDelta = true
		made.Snapshots = slices.Clone(w.old.Snapshots)
		made.Deltas = append(slices.Clone(w.old.Deltas), delta)
	}
	made.Snapshots = append(made.Snapshots, snapshot)
	made.trim()
	return made, nil
}

// keep gives the files of a version that is finished their names.
func (w *work) keep() error {
	errs := []error{w.snapshot.keep()}
	if w.withDelta {
		errs = append(errs, w.delta.keep())
	}
	return errors.Join(append(errs, sealed.SyncDir(w.p.Dir))...)
}

// discard removes what was not kept.
func (w *work) discard() error { return errors.Join(w.snapshot.discard(), w.delta.discard()) }

// before reads the list that is published, a line ahead. Its errors are errBefore.
type before struct {
	file  *os.File
	r     *publication.Reader
	line  []byte
	ended bool
}

func (p *Publisher) openBefore(old *published) (*before, error) {
	newest := old.Snapshots[len(old.Snapshots)-1]
	f, err := os.Open(p.path(newest))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBefore, err)
	}
	b := &before{file: f}
	if b.r, err = newest.Open(f); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", errBefore, err), f.Close())
	}
	if err := b.next(); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *before) next() error {
	_, text, err := b.r.Next()
	if errors.Is(err, io.EOF) {
		b.ended, b.line = true, nil
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errBefore, err)
	}
	b.line = append(b.line[:0], text...)
	return nil
}

func (b *before) vrm() string {
	vrm, _, _ := bytes.Cut(b.line, []byte(","))
	return string(vrm)
}

func (b *before) close() error {
	if b == nil {
		return nil
	}
	if b.r != nil {
		b.r.Close()
	}
	return b.file.Close()
}

// draftPrefix begins the names of files that are not published yet.
const draftPrefix = "draft-"

// draft is a file on its way to being published.
type draft struct {
	p *Publisher
	// path is where it lies, "" once it is a draft no more; named is where it will.
	path, named string
	file        *os.File
	sum         hash.Hash
	key         *sealed.Key
	w           *publication.Writer
}

func (p *Publisher) newDraft() (*draft, error) {
	f, err := os.CreateTemp(p.Dir, draftPrefix+"*")
	if err != nil {
		return nil, err
	}
	d := &draft{p: p, path: f.Name(), file: f, sum: sha256.New(), key: sealed.NewKey()}
	if d.w, err = publication.NewWriter(io.MultiWriter(f, d.sum), d.key); err != nil {
		return nil, errors.Join(err, d.discard())
	}
	return d, nil
}

// finish puts the file on stable storage; its name is going to be its hash.
func (d *draft) finish(about publication.Publication) (file, error) {
	if err := d.w.Close(); err != nil {
		return file{}, err
	}
	if err := d.file.Sync(); err != nil {
		return file{}, err
	}
	info, err := d.file.Stat()
	if err != nil {
		return file{}, err
	}
	about.Key, about.Text = d.key.Bytes(), d.w.Text
	made := file{Publication: about, SHA256: [32]byte(d.sum.Sum(nil)), Length: info.Size()}
	d.named = d.p.path(made)
	err = d.file.Close()
	d.file = nil
	return made, err
}

// keep gives a draft that is finished its name.
func (d *draft) keep() error {
	err := os.Rename(d.path, d.named)
	if err == nil {
		d.path = ""
	}
	return err
}

// discard removes a draft that was not kept.
func (d *draft) discard() error {
	if d == nil || d.path == "" {
		return nil
	}
	var err error
	if d.file != nil {
		err = d.file.Close()
	}
	return errors.Join(err, os.Remove(d.path))
}
