package uplink

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"nrd/uplink/wire"
)

// The buckets of the database.
var (
	// bucketMeta holds the keys below.
	bucketMeta = []byte("meta")
	// bucketItems holds what waits, by itemID.
	bucketItems = []byte("items")
	// bucketDead holds what was set aside, by itemID, with the same values;
	// bucketReasons why.
	bucketDead    = []byte("dead")
	bucketReasons = []byte("reasons")
)

// The keys of bucketMeta.
var (
	metaFormat   = []byte("format")
	metaDevice   = []byte("device")
	metaEpoch    = []byte("epoch")
	metaSequence = []byte("sequence") // the last that was given out
	metaDropped  = []byte("dropped")
	metaCheck    = []byte("check") // a box that only the right key opens
)

const format = 1

const (
	segmentMost  = 4 << 20
	segmentLeast = 64 << 10
)

// open opens or makes database and image files and counts what is in them.
func (b *Buffer) open() error {
	size := min(max(b.maxBytes/64, segmentLeast), segmentMost)
	images, err := openSegments(filepath.Join(b.dir, "images"), size)
	if err != nil {
		return err
	}
	b.images = images
	err = b.openDatabase()
	if errors.Is(err, errDamaged) {
		err = b.salvage(err)
	}
	if err != nil {
		return err
	}
	b.images.count(b.tally.live)
	b.tally.live = nil
	if err := b.images.sweep(true); err != nil {
		return errors.Join(err, b.db.Close())
	}
	return nil
}

// openDatabase opens or makes the database and reads all of its keys. The error
// is errDamaged where that cannot be done.
func (b *Buffer) openDatabase() error {
	return guard(func() error {
		if err := b.openFile(); err != nil {
			return err
		}
		err := b.update(b.begin)
		if err == nil {
			err = b.db.View(b.count)
		}
		if err != nil {
			return errors.Join(err, b.db.Close())
		}
		return nil
	})
}

// guard turns a panic of bbolt over pages that make no sense into errDamaged.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errDamaged, p)
		}
	}()
	return f()
}

func (b *Buffer) openFile() error {
	db, err := bbolt.Open(b.databasePath(), 0o600, &bbolt.Options{
		Timeout:      100 * time.Millisecond,
		FreelistType: bbolt.FreelistMapType,
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return ErrInUse
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return fmt.Errorf("%w: %w", errDamaged, err)
	case err != nil:
		return err
	}
	b.db = db
	return nil
}

// update is bbolt's Update, except that a failed commit never leaves the
// database locked.
func (b *Buffer) update(f func(tx *bbolt.Tx) error) error {
	tx, err := b.db.Begin(true)
	if err != nil {
		return err
	}
	err = f(tx)
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		if rollbackErr := tx.Rollback(); rollbackErr != nil && !errors.Is(rollbackErr, bolterrors.ErrTxClosed) {
			return errors.Join(err, rollbackErr)
		}
		return err
	}
	return nil
}

// begin makes a new buffer or checks that this one can be used.
func (b *Buffer) begin(tx *bbolt.Tx) error {
	for _, name := range [][]byte{bucketMeta, bucketItems, bucketDead, bucketReasons} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	meta := tx.Bucket(bucketMeta)
	if meta.Get(metaFormat) == nil {
		return b.create(meta, newEpoch(), 0)
	}
	if got := meta.Get(metaFormat); len(got) != 1 || got[0] != format {
		return fmt.Errorf("%w: format %x", ErrFormat, got)
	}
	if _, err := b.key.Open(meta.Get(metaCheck), metaCheck); err != nil {
		return ErrKey
	}
	epoch, sequence := meta.Get(metaEpoch), meta.Get(metaSequence)
	if len(epoch) != 8 || len(sequence) != 8 {
		return fmt.Errorf("%w: epoch or sequence is missing", errDamaged)
	}
	b.epoch = binary.BigEndian.Uint64(epoch)
	b.sequence.Store(binary.BigEndian.Uint64(sequence))
	if had := string(meta.Get(metaDevice)); had != b.device {
		return b.rename(tx, had)
	}
	return nil
}

func newEpoch() uint64 {
	var e [8]byte
	rand.Read(e[:]) //nolint:errcheck // crypto/rand.Read never fails: it ends the program instead
	return binary.BigEndian.Uint64(e[:])
}

// create writes what a new buffer begins with.
func (b *Buffer) create(meta *bbolt.Bucket, epoch, sequence uint64) error {
	b.epoch = epoch
	b.sequence.Store(sequence)
	return errors.Join(
		meta.Put(metaFormat, []byte{format}),
		meta.Put(metaDevice, []byte(b.device)),
		meta.Put(metaEpoch, binary.BigEndian.AppendUint64(nil, epoch)),
		meta.Put(metaSequence, binary.BigEndian.AppendUint64(nil, sequence)),
		meta.Put(metaCheck, b.key.Seal(nil, metaCheck)),
	)
}

// rename gives an empty buffer to a unit's new name, under a new epoch.
func (b *Buffer) rename(tx *bbolt.Tx, had string) error {
	for _, name := range [][]byte{bucketItems, bucketDead} {
		if k, _ := tx.Bucket(name).Cursor().First(); k != nil {
			return fmt.Errorf("%w: %s, not %s", ErrDevice, had, b.device)
		}
	}
	return b.create(tx.Bucket(bucketMeta), newEpoch(), 0)
}

// count walks over everything. A key or value that makes no sense means that the
// database is damaged.
func (b *Buffer) count(tx *bbolt.Tx) error {
	t := tally{}.clone()
	for name, add := range map[string]func(itemID, []byte, int) error{
		string(bucketItems): t.add,
		string(bucketDead):  t.addDead,
	} {
		err := tx.Bucket([]byte(name)).ForEach(func(k, v []byte) error {
			id, err := parseID(k)
			if err != nil {
				return err
			}
			return add(id, v, 1)
		})
		if err != nil {
			return err
		}
	}
	if text := tx.Bucket(bucketMeta).Get(metaDropped); text != nil {
		if err := json.Unmarshal(text, &t.dropped); err != nil {
			return fmt.Errorf("%w: the counts of what was dropped: %w", errDamaged, err)
		}
	}
	b.tally = t
	return nil
}

// next gives up to n items in the order of the queue, without those that skip
// names. damaged are items that could not be read.
func (b *Buffer) next(n int, skip func(itemID) bool) (items []item, damaged []burial, err error) {
	type found struct {
		id    itemID
		value []byte
	}
	var all []found
	err = b.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketItems).Cursor()
		for k, v := c.First(); k != nil && len(all) < n; k, v = c.Next() {
			id, err := parseID(k)
			if err != nil {
				return err
			}
			if !skip(id) {
				all = append(all, found{id, append([]byte(nil), v...)})
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	for _, f := range all {
		payload, err := b.unseal(f.id, f.value)
		switch {
		case err == nil:
			items = append(items, item{f.id, payload})
		case !b.holds(f.id): // it was let go a moment ago
		case isDamage(err):
			damaged = append(damaged, burial{f.id, err.Error()})
		default:
			return nil, nil, err
		}
	}
	return items, damaged, nil
}

// unseal gives an item's payload. The error is errDamaged, or one of reading an
// image's file.
func (b *Buffer) unseal(id itemID, value []byte) ([]byte, error) {
	s, err := parseStored(id, value)
	if err != nil {
		return nil, err
	}
	if id.rank.image() {
		if s.box, err = b.images.read(s.ref); err != nil {
			return nil, err
		}
	}
	payload, err := b.key.Open(s.box, id.bytes())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return payload, nil
}

// isDamage reports whether an item can never be read again, unlike when there
// are no more file handles or no memory.
func isDamage(err error) bool {
	return errors.Is(err, errDamaged) || errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.EIO)
}

// holds reports whether an item still waits.
func (b *Buffer) holds(id itemID) bool {
	var held bool
	err := b.db.View(func(tx *bbolt.Tx) error {
		held = tx.Bucket(bucketItems).Get(id.bytes()) != nil
		return nil
	})
	return held || err != nil
}

// find gives the waiting item that a receipt's key and kind mean.
func (b *Buffer) find(sequence uint64, p part) (item, bool) {
	candidates := []itemID{{hitText, sequence, p}, {readText, sequence, p}}
	if p == partPatch || p == partOverview {
		candidates = []itemID{{hitImage, sequence, p}, {readImage, sequence, p}}
	}
	for _, id := range candidates {
		var value []byte
		err := b.db.View(func(tx *bbolt.Tx) error {
			value = append(value, tx.Bucket(bucketItems).Get(id.bytes())...)
			return nil
		})
		if err != nil || value == nil {
			continue
		}
		if payload, err := b.unseal(id, value); err == nil {
			return item{id, payload}, true
		}
	}
	return item{}, false
}

// firstRecord gives the oldest readable record of a rank, nil where there is
// none.
func (b *Buffer) firstRecord(r rank) (*item, error) {
	var found *item
	err := b.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketItems).Cursor()
		for k, v := c.Seek([]byte{byte(r)}); k != nil && k[0] == byte(r); k, v = c.Next() {
			id, err := parseID(k)
			if err != nil || id.part != partRecord {
				continue
			}
			payload, err := b.unseal(id, v)
			if err != nil {
				continue
			}
			found = &item{id, payload}
			return nil
		}
		return nil
	})
	return found, err
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

// dropEvent makes the event that tells central of drops.
func dropEvent(kind string, count uint64, reason string) *wire.Event {
	return &wire.Event{What: &wire.Event_Drop{Drop: &wire.Drop{Kind: kind, Count: count, Reason: reason}}}
}
