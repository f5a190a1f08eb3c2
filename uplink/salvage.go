package uplink

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"nrd/internal/sealed"
	"nrd/uplink/wire"
)

// salvageGap is how far the sequence jumps ahead after a salvage: what was given
// out last is not known for sure, and no number may be given out twice.
const salvageGap = 1 << 32

// salvage is what opening a damaged database comes to: it is set aside, and a
// new one begins with every item that is found in the old one's pages and opens
// under the buffer's key. Among them may be items that central has already: it
// will say so.
func (b *Buffer) salvage(why error) error {
	found, err := b.setAside(why)
	if err != nil {
		return err
	}
	frames, err := b.journal.recover(true)
	if err != nil {
		return err
	}
	epoch, last, known := b.lastKey(found, frames)
	if !known {
		epoch = newEpoch()
	}
	b.epoch = epoch
	b.sequence.Store(last + salvageGap)
	return guard(func() error { return b.takeOver(found, frames) })
}

// heal is salvage in a running buffer, which knows its numbers still.
func (b *Buffer) heal(why error) {
	b.state.Lock()
	defer b.state.Unlock()
	b.tx, b.db = nil, nil
	found, err := b.setAside(why)
	var frames []frame
	if err == nil {
		frames, err = b.journal.written()
	}
	if err == nil {
		err = guard(func() error { return b.takeOver(found, frames) })
	}
	if err == nil {
		err = b.checkpoint()
	}
	if err != nil {
		b.log.Error("the buffer's database could not be replaced", "error", err)
	}
}

// setAside renames the database and gives what is genuine in it.
func (b *Buffer) setAside(why error) (map[itemID][]byte, error) {
	aside := b.damagedPath()
	b.log.Error("the buffer's database is damaged; it is set aside and what can be read is taken over", "file", aside, "error", why)
	if err := os.Rename(b.databasePath(), aside); err != nil {
		return nil, err
	}
	if err := sealed.SyncDir(b.dir); err != nil {
		return nil, err
	}
	return b.genuine(aside)
}

// takeOver begins a new database with what was found and what the journal says.
func (b *Buffer) takeOver(found map[itemID][]byte, frames []frame) error {
	if err := b.openFile(); err != nil {
		return err
	}
	if err := b.create(b.tx, b.epoch, b.sequence.Load()); err != nil {
		return err
	}
	for id, value := range found {
		if err := b.tx.Bucket(bucketItems).Put(id.bytes(), value); err != nil {
			return err
		}
	}
	if err := b.redo(frames); err != nil {
		return err
	}
	if err := b.tx.Bucket(bucketMeta).Put(metaSequence, binary.BigEndian.AppendUint64(nil, b.sequence.Load())); err != nil {
		return err
	}
	b.log.Warn("items were taken over from the damaged database", "items", len(found))
	return b.count(b.tx)
}

// lastKey gives the epoch and the highest sequence of what was found and of what
// the journal puts. The epoch stands in every payload.
func (b *Buffer) lastKey(found map[itemID][]byte, frames []frame) (epoch, last uint64, known bool) {
	look := func(id itemID, value []byte) {
		last = max(last, id.sequence)
		if known {
			return
		}
		payload, err := b.unseal(id, value)
		if err != nil {
			return
		}
		if key, err := wire.KeyOf(payload); err == nil {
			epoch, known = key.Epoch, true
		}
	}
	for id, value := range found {
		look(id, value)
	}
	for _, f := range frames {
		changes, _ := parseChanges(f.body)
		for _, c := range changes {
			if id, err := parseID(c.key); err == nil && c.bucket == bucketNumber(bucketItems) {
				look(id, c.value)
			}
		}
	}
	return epoch, last, known
}

// genuine gives every item in a database file that opens under the key.
func (b *Buffer) genuine(path string) (map[itemID][]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	found := map[itemID][]byte{}
	take := func(k, v []byte) {
		id, err := parseID(k)
		if err != nil {
			return
		}
		if _, err := b.unseal(id, v); err == nil {
			found[id] = bytes.Clone(v)
		}
	}
	page := int64(os.Getpagesize())
	for at := int64(0); ; at += page {
		data, err := readPage(f, at, page)
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		leafElements(data, func(k, v []byte) {
			take(k, v)
			if len(v) > bucketHeader && (bytes.Equal(k, bucketItems) || bytes.Equal(k, bucketDead)) {
				leafElements(v[bucketHeader:], take)
			}
		})
	}
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

// damagedPath is a name under which a damaged database is set aside.
func (b *Buffer) damagedPath() string {
	for n := 1; ; n++ {
		path := fmt.Sprintf("%s.damaged-%d", b.databasePath(), n)
		if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
			return path
		}
	}
}
