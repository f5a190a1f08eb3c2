package sqlite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"nrd/collector/store"
)

// Capture times outside these bounds have no day to go to.
var (
	earliestDay = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	latestDay   = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
)

// maxWaitingBytes is the room of a day for images whose record has not come.
const maxWaitingBytes = 32 << 20

// dayOf names the UTC day of a moment.
func dayOf(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// Insert is documented at [store.Store]. Records and events of a batch are
// stored before its images.
func (s *Store) Insert(ctx context.Context, items []store.Item) ([]store.Result, error) {
	s.inserting.Lock()
	defer s.inserting.Unlock()
	results := make([]store.Result, len(items))
	b := newBatch(ctx, s)
	err := b.insert(items, results)
	if err == nil {
		err = b.commit()
	}
	if closeErr := b.close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, explainAt(s.config.Dir, err)
	}
	return results, nil
}

func (b *batch) insert(items []store.Item, results []store.Result) error {
	for _, images := range []bool{false, true} {
		for i := range items {
			item := &items[i]
			if isImage(item.Kind) != images {
				continue
			}
			var err error
			if results[i], err = b.insertItem(item); err != nil {
				return fmt.Errorf("%s of %s: %w", item.Kind, item.Key, err)
			}
		}
	}
	return nil
}

func isImage(kind store.Kind) bool { return kind == store.KindPatch || kind == store.KindOverview }

func (b *batch) insertItem(item *store.Item) (store.Result, error) {
	held, err := b.held(item)
	if err != nil {
		return store.Result{}, err
	}
	if result, answered := held.answer(item); answered {
		return result, nil
	}
	reason := item.Quarantine
	if reason == "" && held.digest != nil {
		reason = fmt.Sprintf("the same key is held with another %s", item.Kind)
	}
	switch item.Kind {
	case store.KindRecord:
		return b.insertRecord(item, reason)
	case store.KindPatch, store.KindOverview:
		return b.insertImage(item, reason, held)
	case store.KindEvent:
		return b.insertEvent(item, reason)
	default:
		return store.Result{}, fmt.Errorf("there is no kind of item %q", item.Kind)
	}
}

func (b *batch) insertRecord(item *store.Item, reason string) (store.Result, error) {
	captured := capturedOf(item)
	if reason == "" && (captured.Before(earliestDay) || !captured.Before(latestDay)) {
		reason = fmt.Sprintf("captured %s, which is no time a day is kept for", captured.Format(time.RFC3339))
	}
	data, err := encode(item)
	if err != nil {
		return store.Result{}, err
	}
	if reason != "" {
		return b.quarantine(item, reason, data)
	}
	d, err := b.write(dayOf(captured), item.Key)
	if err != nil {
		return store.Result{}, err
	}
	b.note(arrival{hourOf(item.Received), d.name})
	if err := d.insertRecord(item, data); err != nil {
		return store.Result{}, err
	}
	return store.Result{Outcome: store.Stored}, b.join(item, d)
}

// capturedOf is the time that a record is filed under.
func capturedOf(item *store.Item) time.Time {
	if item.Correction != nil {
		return item.Correction.UTC
	}
	return item.Record.Captured.UTC
}

func (b *batch) insertEvent(item *store.Item, reason string) (store.Result, error) {
	if reason != "" {
		return b.quarantine(item, reason, item.Event)
	}
	if item.Officer != nil {
		return store.Result{Outcome: store.Stored}, b.insertOfficer(item)
	}
	d, err := b.write(dayOf(item.Received), item.Key)
	if err != nil {
		return store.Result{}, err
	}
	_, err = d.insertEvent(item)
	return store.Result{Outcome: store.Stored}, err
}

func (b *batch) insertImage(item *store.Item, reason string, h held) (store.Result, error) {
	if reason == "" && h.record != nil {
		reason = h.unannounced(item)
	}
	switch {
	case reason != "":
		return b.quarantine(item, reason, item.Image.JPEG)
	case h.record == nil && h.recordQuarantined:
		return b.quarantine(item, "its record is quarantined", item.Image.JPEG)
	case h.record == nil:
		return b.wait(item)
	}
	d, err := b.write(h.day, item.Key)
	if err != nil {
		return store.Result{}, err
	}
	return store.Result{Outcome: store.Stored}, d.insertImage(item)
}

// wait keeps an image whose record has not come, in the day of its receipt.
func (b *batch) wait(item *store.Item) (store.Result, error) {
	d, err := b.write(dayOf(item.Received), item.Key)
	if err != nil {
		return store.Result{}, err
	}
	if d.total.waitingBytes+int64(len(item.Image.JPEG)) > maxWaitingBytes {
		return store.Result{Outcome: store.Postponed, Reason: "its record has not come, and the room for such images is full"}, nil
	}
	source, err := d.sourceOf(item.Key)
	if err != nil {
		return store.Result{}, err
	}
	d.total.waitingBytes += int64(len(item.Image.JPEG))
	return store.Result{Outcome: store.Stored}, d.exec(d.stmts.insertWaiting, source, int64(item.Key.Sequence), string(item.Kind),
		item.Received.UnixNano(), item.Digest[:], item.Image.Width, item.Image.Height, item.Image.JPEG)
}

// join puts images that waited for this record beside it, or aside where the
// record does not announce them.
func (b *batch) join(record *store.Item, d *batchDay) error {
	places, err := b.candidates(record.Key)
	if err != nil {
		return err
	}
	for _, place := range places {
		images, err := place.waiting(record.Key)
		if err != nil {
			return err
		}
		for i := range images {
			image := &images[i]
			h := held{day: d.name, record: record.Digest[:], patch: digestOrNil(record.PatchDigest), overview: digestOrNil(record.OverviewDigest)}
			if _, err := b.insertImage(image, "", h); err != nil {
				return err
			}
			b.joined = append(b.joined, joined{place.name, image.Key, image.Kind, int64(len(image.Image.JPEG))})
		}
	}
	return nil
}

// quarantine sets an item aside, in the day of its receipt.
func (b *batch) quarantine(item *store.Item, reason string, data []byte) (store.Result, error) {
	d, err := b.write(dayOf(item.Received), item.Key)
	if err != nil {
		return store.Result{}, err
	}
	source, err := d.sourceOf(item.Key)
	if err != nil {
		return store.Result{}, err
	}
	d.total.quarantined++
	return store.Result{Outcome: store.Quarantined, Reason: reason}, d.exec(d.stmts.insertQuarantine, source, int64(item.Key.Sequence),
		string(item.Kind), item.Received.UnixNano(), item.Digest[:], digestOrNil(item.PatchDigest), digestOrNil(item.OverviewDigest),
		item.Image.Width, item.Image.Height, reason, data, bootOf(item))
}

// bootOf names the start of the unit in which a record's time was not proved.
func bootOf(item *store.Item) string {
	if item.Record == nil || item.Record.Captured.Proved {
		return ""
	}
	return item.Record.Captured.BootID
}

// held is what the store has under an item's key.
type held struct {
	digest      []byte // of the same kind, nil: none
	quarantined string // why the same item was set aside before, "" if not
	// For an image: its record, the day that is in and what it announces.
	day                     string
	record, patch, overview []byte
	recordQuarantined       bool
}

// answer gives the result of an item that is held already.
func (h held) answer(item *store.Item) (store.Result, bool) {
	switch {
	case bytes.Equal(h.digest, item.Digest[:]):
		return store.Result{Outcome: store.Duplicate}, true
	case h.quarantined != "":
		return store.Result{Outcome: store.Quarantined, Reason: h.quarantined}, true
	default:
		return store.Result{}, false
	}
}

// unannounced says why an image does not belong to its record, or "".
func (h held) unannounced(item *store.Item) string {
	announced := h.patch
	if item.Kind == store.KindOverview {
		announced = h.overview
	}
	sum := sha256.Sum256(item.Image.JPEG)
	switch {
	case announced == nil:
		return fmt.Sprintf("its record announces no %s", item.Kind)
	case !bytes.Equal(announced, sum[:]):
		return fmt.Sprintf("its record announces another %s", item.Kind)
	default:
		return ""
	}
}

// held looks the item's key up in all days in which it may lie.
func (b *batch) held(item *store.Item) (held, error) {
	var h held
	places, err := b.candidates(item.Key)
	if err != nil {
		return h, err
	}
	for _, d := range places {
		source, err := d.source(b.ctx, d.tx, item.Key)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err == nil {
			err = d.look(item, source, &h)
		}
		if err != nil {
			return h, err
		}
	}
	return h, nil
}

func digestOrNil(digest [32]byte) []byte {
	if digest == [32]byte{} {
		return nil
	}
	return digest[:]
}
