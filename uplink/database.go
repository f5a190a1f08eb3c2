package uplink

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
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
	if err := b.images.sweep(true); err != nil {
		return errors.Join(err, b.db.Close())
	}
	return nil
}

// openDatabase opens or makes the database and reads all of its keys. The error
// is errDamaged where that cannot be done.
func (b *Buffer) openDatabase() error {
	if err := guard(b.openFile); err != nil {
		return err
	}
	err := b.update(b.begin)
	if err == nil {
		err = b.look(b.count)
	}
	if err != nil && !errors.Is(err, errPages) {
		err = errors.Join(err, b.db.Close())
	}
	return err
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

// begin makes a new buffer or checks that this one can be used.
func (b *Buffer) begin(tx *bbolt.Tx) error {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		if err := b.create(tx, newEpoch(), 0); err != nil {
			return err
		}
		meta = tx.Bucket(bucketMeta)
	}
	if got := meta.Get(metaFormat); len(got) != 1 || got[0] != format {
		return fmt.Errorf("%w: format %x", ErrFormat, got)
	}
	if _, err := b.key.Open(meta.Get(metaCheck), metaCheck); err != nil {
		return ErrKey
	}
	if had := string(meta.Get(metaDevice)); had != b.device {
		if err := b.rename(tx, had); err != nil {
			return err
		}
	}
	epoch, sequence := meta.Get(metaEpoch), meta.Get(metaSequence)
	if len(epoch) != 8 || len(sequence) != 8 {
		return fmt.Errorf("%w: epoch or sequence is missing", errDamaged)
	}
	b.epoch = binary.BigEndian.Uint64(epoch)
	b.sequence.Store(binary.BigEndian.Uint64(sequence))
	return nil
}

func newEpoch() uint64 {
	var e [8]byte
	rand.Read(e[:]) //nolint:errcheck // crypto/rand.Read never fails: it ends the program instead
	return binary.BigEndian.Uint64(e[:])
}

// create writes what a new buffer begins with.
func (b *Buffer) create(tx *bbolt.Tx, epoch, sequence uint64) error {
	for _, name := range [][]byte{bucketMeta, bucketItems, bucketDead, bucketReasons} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	meta := tx.Bucket(bucketMeta)
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
	return b.create(tx, newEpoch(), 0)
}

// count walks over everything. A key or value that makes no sense means that the
// database is damaged.
func (b *Buffer) count(tx *bbolt.Tx) error {
	for _, name := range [][]byte{bucketItems, bucketDead, bucketReasons} {
		if tx.Bucket(name) == nil {
			return fmt.Errorf("%w: the bucket %s is missing", errDamaged, name)
		}
	}
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
	b.mu.Lock()
	b.tally = t
	b.mu.Unlock()
	b.images.recount(t.live)
	return nil
}
