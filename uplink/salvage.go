package uplink

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"

	"go.etcd.io/bbolt"

	"nrd/internal/sealed"
	"nrd/uplink/wire"
)

// salvageGap is how far the sequence jumps ahead after a salvage: what was given
// out last is not known for sure, and no number may be given out twice.
const salvageGap = 1 << 32

// salvage is what opening a damaged database comes to: a new one takes its place
// with every item that is found in the old one's pages and opens under the buffer's
// key. Among them may be items that central has already: it will say so.
func (b *Buffer) salvage(why error) error {
	frames, err := b.journal.recover(true)
	if err != nil {
		return err
	}
	epoch, last, known, err := b.lastKey(frames)
	if err != nil {
		return err
	}
	if !known {
		epoch = newEpoch()
	}
	b.epoch = epoch
	b.sequence.Store(last + salvageGap)
	return b.takeOver(why, frames)
}

// heal is salvage in a running buffer, which knows its numbers still.
func (b *Buffer) heal(why error) {
	b.state.Lock()
	defer b.state.Unlock()
	b.tx, b.db = nil, nil
	frames, err := b.journal.written()
	if err == nil {
		err = b.takeOver(why, frames)
	}
	if err == nil {
		err = b.checkpoint()
	}
	if err != nil {
		b.log.Error("the buffer's database could not be replaced", "error", err)
	}
}

// takeOver puts a new database in the damaged one's place, which it keeps beside
// it, and does what the journal says. Whenever the power goes, there is the old file
// or the whole of the new one.
func (b *Buffer) takeOver(why error, frames []frame) error {
	b.log.Error("the buffer's database is damaged; it is set aside and what can be read is taken over", "file", b.damagedPath(), "error", why)
	return guard(func() error {
		b.dropDamaged() // an earlier one
		items, err := b.rebuild()
		if err != nil {
			return err
		}
		if err := b.setAside(); err != nil {
			return err
		}
		if err := b.openFile(); err != nil {
			return err
		}
		if err := b.redo(frames); err != nil {
			return err
		}
		if err := b.tx.Bucket(bucketMeta).Put(metaSequence, binary.BigEndian.AppendUint64(nil, b.sequence.Load())); err != nil {
			return err
		}
		b.log.Warn("items were taken over from the damaged database", "items", items)
		return b.count(b.tx)
	})
}

// rebuildSome is how many items are written to the new database in one step: what
// a step changes is in memory.
const rebuildSome = 1000

// rebuild writes a new database, under another name, with what is genuine in the
// damaged one, and says how much that is.
func (b *Buffer) rebuild() (items int, err error) {
	if err := os.Remove(b.compactPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	options := databaseOptions()
	options.NoSync = true // once, at the end
	db, err := bbolt.Open(b.compactPath(), 0o600, options)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = db.Update(func(tx *bbolt.Tx) error {
		if err := b.create(tx, b.epoch, b.sequence.Load()); err != nil {
			return err
		}
		return tx.Bucket(bucketMeta).Put(metaJournal, binary.BigEndian.AppendUint64(nil, b.journal.base))
	})
	if err != nil {
		return 0, err
	}
	some := map[itemID][]byte{}
	flush := func() error {
		items += len(some)
		err := db.Update(func(tx *bbolt.Tx) error {
			for id, value := range some {
				if err := tx.Bucket(bucketItems).Put(id.bytes(), value); err != nil {
					return err
				}
			}
			return nil
		})
		clear(some)
		return err
	}
	err = b.genuine(func(id itemID, value []byte) error {
		some[id] = bytes.Clone(value)
		if len(some) < rebuildSome {
			return nil
		}
		return flush()
	})
	return items, errors.Join(err, flush(), db.Sync())
}

// setAside gives the damaged database another name, and the new one its own.
func (b *Buffer) setAside() error {
	if err := os.Link(b.databasePath(), b.damagedPath()); err != nil {
		return err
	}
	if err := os.Rename(b.compactPath(), b.databasePath()); err != nil {
		return err
	}
	if err := sealed.SyncDir(b.dir); err != nil {
		return err
	}
	return b.sizeDamaged()
}

// sizeDamaged looks how much room a database takes that was set aside.
func (b *Buffer) sizeDamaged() error {
	info, err := os.Stat(b.damagedPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		b.damaged = info.Size()
	}
	return err
}

// dropDamaged lets go of a database that was set aside, and reports whether there
// was one: what could be read of it was taken over.
func (b *Buffer) dropDamaged() bool {
	if b.damaged == 0 {
		return false
	}
	b.damaged = 0 // it is tried once
	if err := os.Remove(b.damagedPath()); err != nil {
		b.log.Error("a damaged database that was set aside could not be removed", "file", b.damagedPath(), "error", err)
		return false
	}
	return true
}

func (b *Buffer) damagedPath() string { return b.databasePath() + ".damaged" }

// lastKey gives the epoch and the highest sequence of what is genuine in the
// database and of what the journal puts. The epoch stands in every payload.
func (b *Buffer) lastKey(frames []frame) (epoch, last uint64, known bool, err error) {
	look := func(id itemID, value []byte) error {
		last = max(last, id.sequence)
		if known {
			return nil
		}
		payload, err := b.unseal(id, value)
		if err != nil {
			return nil //nolint:nilerr // an image's file may be gone; the next item says it
		}
		if key, err := wire.KeyOf(payload); err == nil {
			epoch, known = key.Epoch, true
		}
		return nil
	}
	if err := b.genuine(look); err != nil {
		return 0, 0, false, err
	}
	for _, f := range frames {
		changes, _ := parseChanges(f.body)
		for _, c := range changes {
			if id, err := parseID(c.key); err == nil && c.bucket == bucketNumber(bucketItems) {
				_ = look(id, c.value) // it never fails
			}
		}
	}
	return epoch, last, known, nil
}

// genuine calls take with every item in the database's file that opens under the
// key. The value is take's only until it returns.
func (b *Buffer) genuine(take func(id itemID, value []byte) error) error {
	f, err := os.Open(b.databasePath())
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	var failed error
	found := func(k, v []byte) {
		id, err := parseID(k)
		if err != nil || failed != nil {
			return
		}
		if _, err := b.unseal(id, v); err == nil {
			failed = take(id, v)
		}
	}
	page := int64(os.Getpagesize())
	for at := int64(0); failed == nil; at += page {
		data, err := readPage(f, at, page)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		leafElements(data, func(k, v []byte) {
			found(k, v)
			if len(v) > bucketHeader && (bytes.Equal(k, bucketItems) || bytes.Equal(k, bucketDead)) {
				leafElements(v[bucketHeader:], found)
			}
		})
	}
	return failed
}

// bbolt's page: id (8 bytes), flags (2), count (2), overflow (4), then an
// element of 16 bytes for each key of a leaf (flags, position, key's and value's
// size, 4 each), then keys and values. A bucket that is small stands in its
// parent's leaf as a value: its header of 16 bytes and a page.
const (
	pageHeader   = 16
	leafElement  = 16
	bucketHeader = 16
	leafFlag     = 0x02
	mostOverflow = 2 * wire.MaxRecordBytes / 4096
)

// readPage gives the page at a place with the pages that it flows over into. At
// the end of the file the error is io.EOF.
func readPage(f io.ReaderAt, at, size int64) ([]byte, error) {
	header := make([]byte, pageHeader)
	if n, err := f.ReadAt(header, at); n < len(header) {
		return nil, err
	}
	overflow := int64(binary.NativeEndian.Uint32(header[12:]))
	if overflow > mostOverflow {
		overflow = 0
	}
	data := make([]byte, (overflow+1)*size)
	n, err := f.ReadAt(data, at)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return data[:n], nil
}

// leafElements calls take with what looks like keys and values in a page, which
// may be anything.
func leafElements(page []byte, take func(k, v []byte)) {
	if len(page) < pageHeader || binary.NativeEndian.Uint16(page[8:])&leafFlag == 0 {
		return
	}
	count := int(binary.NativeEndian.Uint16(page[10:]))
	for i := range count {
		at := pageHeader + i*leafElement
		if at+leafElement > len(page) {
			break
		}
		e := page[at:]
		from := int64(at) + int64(binary.NativeEndian.Uint32(e[4:]))
		middle := from + int64(binary.NativeEndian.Uint32(e[8:]))
		to := middle + int64(binary.NativeEndian.Uint32(e[12:]))
		if to > int64(len(page)) {
			continue
		}
		take(page[from:middle], page[middle:to])
	}
}
