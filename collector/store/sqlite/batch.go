package sqlite

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/ncruces/go-sqlite3"

	"nrd"
	"nrd/collector/store"
)

// batch is one Insert: a transaction in each day that it touches. Commit puts on
// stable storage first the spans, then the images, then the rows; a row that
// is committed never points to what is not there.
type batch struct {
	ctx      context.Context
	store    *Store
	days     map[string]*batchDay
	spans    map[place]span
	arrivals map[arrival]bool
	joined   []joined
	released []setAside
}

// joined is an image that waited and has been put beside its record; its copy
// goes once that is committed.
type joined struct {
	day   string
	key   nrd.Key
	kind  store.Kind
	bytes int64
}

// batchDay is a day with the batch's transaction; total becomes the day's when
// that is committed.
type batchDay struct {
	*day
	ctx     context.Context
	tx      *sql.Tx // nil: over
	total   totals
	sources map[source]int64 // made by this batch
	tail    *bufio.Writer    // of the images' file
	changed bool
	unsure  bool                    // the commit failed: it may have happened
	bound   map[*sql.Stmt]*sql.Stmt // the day's statements in tx
}

func newBatch(ctx context.Context, s *Store) *batch {
	return &batch{ctx: ctx, store: s, days: map[string]*batchDay{}, spans: map[place]span{}, arrivals: map[arrival]bool{}}
}

// day joins a day to the batch.
func (b *batch) day(name string, create bool) (*batchDay, error) {
	if d, ok := b.days[name]; ok {
		return d, nil
	}
	opened, err := b.store.days.acquire(b.ctx, name, create)
	if err != nil {
		return nil, err
	}
	tx, err := opened.db.BeginTx(b.ctx, nil)
	if err != nil {
		b.store.days.release(opened)
		return nil, err
	}
	d := &batchDay{day: opened, ctx: b.ctx, tx: tx, total: opened.totals(), sources: map[source]int64{}, bound: map[*sql.Stmt]*sql.Stmt{}}
	d.tail = bufio.NewWriterSize(io.NewOffsetWriter(opened.images, d.total.imageEnd), 1<<18)
	b.days[name] = d
	return d, nil
}

// write gives the day in which something under key will be written.
func (b *batch) write(name string, key nrd.Key) (*batchDay, error) {
	p := place{sourceOf(key), name}
	known, ok := b.spans[p]
	var err error
	if !ok {
		known, err = b.store.site.span(b.ctx, p)
	}
	if err != nil {
		return nil, err
	}
	if !known.holds(key.Sequence) {
		b.spans[p] = known.with(key.Sequence)
	}
	d, err := b.day(name, true)
	if err != nil {
		return nil, err
	}
	d.changed = true
	return d, nil
}

func (b *batch) note(a arrival) {
	if !b.arrivals[a] && !b.store.site.knowsArrival(a) {
		b.arrivals[a] = true
	}
}

// candidates gives the days in which items under key may lie, those of this
// batch included.
func (b *batch) candidates(key nrd.Key) ([]*batchDay, error) {
	names, err := b.store.site.daysOf(b.ctx, key)
	if err != nil {
		return nil, err
	}
	for p, span := range b.spans {
		if p.source == sourceOf(key) && span.holds(key.Sequence) && !slices.Contains(names, p.day) {
			names = append(names, p.day)
		}
	}
	found := make([]*batchDay, 0, len(names))
	for _, name := range names {
		d, err := b.day(name, false)
		if errors.Is(err, store.ErrNotFound) {
			continue // noted, but never written or removed since
		}
		if err != nil {
			return nil, err
		}
		found = append(found, d)
	}
	return found, nil
}

func (b *batch) commit() error {
	if err := b.store.site.note(b.ctx, b.spans, b.arrivals); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(b.days)) {
		if err := b.days[name].commit(); err != nil {
			return fmt.Errorf("day %s: %w", name, err)
		}
	}
	return nil
}

// close ends what is not committed, removes the copies of images that were
// joined and lets the days go.
func (b *batch) close() error {
	var errs []error
	committed := true
	for _, d := range b.days {
		if d.tx != nil {
			committed = false
			errs = append(errs, d.rollback())
		}
	}
	if committed {
		errs = append(errs, b.removeJoined(), b.removeReleased())
	}
	for _, d := range b.days {
		b.store.days.release(d.day)
	}
	return errors.Join(errs...)
}

func (b *batch) removeJoined() error {
	for _, j := range b.joined {
		d := b.days[j.day].day
		err := write(b.ctx, d.db, func(tx *sql.Tx) error {
			source, err := d.source(b.ctx, tx, j.key)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(`DELETE FROM waiting WHERE source=? AND sequence=? AND kind=?`, source, int64(j.key.Sequence), string(j.kind)); err != nil {
				return err
			}
			_, err = tx.Exec(`UPDATE total SET waiting_bytes=waiting_bytes-?`, j.bytes)
			return err
		})
		if err != nil {
			return err
		}
		d.mu.Lock()
		d.total.waitingBytes -= j.bytes
		d.mu.Unlock()
	}
	return nil
}

// commit puts the images and then the rows on stable storage.
func (d *batchDay) commit() error {
	if !d.changed {
		return d.rollback()
	}
	if d.total.imageEnd > d.day.totals().imageEnd {
		if err := d.tail.Flush(); err != nil {
			return err
		}
		if err := d.images.Sync(); err != nil {
			return err
		}
	}
	t := d.total
	if _, err := d.tx.Exec(`UPDATE total SET records=?, hits=?, images=?, quarantined=?, waiting_bytes=?, image_end=?`,
		t.records, t.hits, t.images, t.quarantined, t.waitingBytes, t.imageEnd); err != nil {
		return err
	}
	if err := d.tx.Commit(); err != nil {
		d.unsure = !errors.Is(err, sqlite3.FULL)
		return err
	}
	d.tx = nil
	d.mu.Lock()
	defer d.mu.Unlock()
	d.day.total = t
	if len(d.day.sources) > 10_000 {
		clear(d.day.sources)
	}
	maps.Copy(d.day.sources, d.sources)
	return nil
}

// rollback forgets everything since the batch began.
func (d *batchDay) rollback() error {
	err := d.tx.Rollback()
	if errors.Is(err, sql.ErrTxDone) { // a commit that failed has ended it
		err = nil
	}
	d.tx = nil
	switch {
	case d.unsure:
		// A crash now may bring the rows back, so their images stay.
		d.mu.Lock()
		d.day.total.imageEnd = d.total.imageEnd
		d.mu.Unlock()
	case d.changed:
		err = errors.Join(err, d.images.Truncate(d.day.totals().imageEnd))
	}
	return err
}

// in binds one of the day's statements to the transaction.
func (d *batchDay) in(stmt *sql.Stmt) *sql.Stmt {
	bound := d.bound[stmt]
	if bound == nil {
		bound = d.tx.StmtContext(d.ctx, stmt)
		d.bound[stmt] = bound
	}
	return bound
}

func (d *batchDay) exec(stmt *sql.Stmt, args ...any) error {
	_, err := d.in(stmt).ExecContext(d.ctx, args...)
	return err
}

// digest runs a statement that answers one digest, nil for no row.
func (d *batchDay) digest(stmt *sql.Stmt, args ...any) (digest []byte, err error) {
	err = d.in(stmt).QueryRowContext(d.ctx, args...).Scan(&digest)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return digest, err
}

// sourceOf gives the number of a device's epoch, made where it is new.
func (d *batchDay) sourceOf(key nrd.Key) (int64, error) {
	s := sourceOf(key)
	if id, ok := d.sources[s]; ok {
		return id, nil
	}
	id, err := d.source(d.ctx, d.tx, key)
	if errors.Is(err, sql.ErrNoRows) {
		err = d.tx.QueryRow(`INSERT INTO source VALUES (NULL, ?, ?) RETURNING id`, s.device, int64(s.epoch)).Scan(&id)
	}
	if err == nil {
		d.sources[s] = id
	}
	return id, err
}

// look adds to h what this day holds of an item.
func (d *batchDay) look(item *store.Item, source int64, h *held) error {
	sequence := int64(item.Key.Sequence)
	var digest []byte
	var err error
	switch item.Kind {
	case store.KindRecord:
		err = d.lookRecord(source, sequence, h)
		digest = h.record
	case store.KindEvent:
		digest, err = d.digest(d.stmts.eventDigest, source, sequence)
	default:
		if err = d.lookRecord(source, sequence, h); err != nil {
			return err
		}
		digest, err = d.digest(d.stmts.imageDigest, source, sequence, string(item.Kind))
		if err == nil && digest == nil && d.total.waitingBytes > 0 {
			digest, err = d.digest(d.stmts.waitingDigest, source, sequence, string(item.Kind))
		}
	}
	if digest != nil {
		h.digest = digest
	}
	if err != nil || d.total.quarantined == 0 {
		return err
	}
	return d.lookQuarantine(item, source, h)
}

func (d *batchDay) lookRecord(source, sequence int64, h *held) error {
	var digest, patch, overview []byte
	err := d.in(d.stmts.recordDigests).QueryRowContext(d.ctx, source, sequence).Scan(&digest, &patch, &overview)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	h.day, h.record, h.patch, h.overview = d.name, digest, patch, overview
	return err
}

func (d *batchDay) lookQuarantine(item *store.Item, source int64, h *held) error {
	sequence := int64(item.Key.Sequence)
	rows, err := list(d.ctx, d.tx, func(scan scanner) (row struct {
		digest []byte
		reason string
	}, err error) {
		return row, scan(&row.digest, &row.reason)
	}, `SELECT digest, reason FROM quarantine WHERE source=? AND sequence=? AND kind=?`, source, sequence, string(item.Kind))
	if err != nil {
		return err
	}
	for _, row := range rows {
		if string(row.digest) == string(item.Digest[:]) {
			h.quarantined = row.reason
		}
	}
	if isImage(item.Kind) && !h.recordQuarantined {
		digest, err := d.digest(d.stmts.quarantined, source, sequence, string(store.KindRecord))
		h.recordQuarantined = digest != nil
		return err
	}
	return nil
}

func (d *batchDay) insertRecord(item *store.Item, data []byte) error {
	source, err := d.sourceOf(item.Key)
	if err != nil {
		return err
	}
	r := item.Record
	d.total.records++
	if r.IsHit() {
		d.total.hits++
	}
	if err := d.exec(d.stmts.insertRecord, source, int64(item.Key.Sequence), capturedOf(item).UnixNano(), item.Received.UnixNano(),
		string(r.Read.VRM), r.Camera.Name, r.IsHit(), item.Digest[:], digestOrNil(item.PatchDigest), digestOrNil(item.OverviewDigest), data); err != nil {
		return err
	}
	if item.Correction == nil {
		return nil
	}
	text, err := json.Marshal(item.Correction)
	if err != nil {
		return err
	}
	return d.exec(d.stmts.insertCorrection, source, int64(item.Key.Sequence), string(text))
}

// insertImage seals an image, appends it to the day's images and notes where it
// is.
func (d *batchDay) insertImage(item *store.Item) error {
	source, err := d.sourceOf(item.Key)
	if err != nil {
		return err
	}
	box := d.imageKey.Seal(item.Image.JPEG, imageLabel(item.Key, item.Kind))
	offset := d.total.imageEnd
	if _, err := d.tail.Write(box); err != nil {
		return err
	}
	d.total.imageEnd += int64(len(box))
	d.total.images++
	return d.exec(d.stmts.insertImage, source, int64(item.Key.Sequence), string(item.Kind), item.Digest[:],
		item.Image.Width, item.Image.Height, offset, len(box))
}

// waiting lists the images in this day that wait for the record of key.
func (d *batchDay) waiting(key nrd.Key) ([]store.Item, error) {
	if d.total.waitingBytes == 0 {
		return nil, nil
	}
	source, err := d.sourceOf(key)
	if err != nil {
		return nil, err
	}
	return list(d.ctx, d.tx, func(scan scanner) (store.Item, error) {
		item := store.Item{Key: key}
		var received int64
		var digest []byte
		err := scan(&item.Kind, &received, &digest, &item.Image.Width, &item.Image.Height, &item.Image.JPEG)
		item.Received = time.Unix(0, received).UTC()
		copy(item.Digest[:], digest)
		return item, err
	}, `SELECT kind, received, digest, width, height, jpeg FROM waiting WHERE source=? AND sequence=?`, source, int64(key.Sequence))
}
