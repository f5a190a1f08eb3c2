package uplink

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"

	"nrd/internal/sealed"
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
	metaCheck    = []byte("check") // a box that only the right keys open
	// metaJournal is the generation of the journal that goes on from here.
	metaJournal = []byte("journal")
)

// buckets are the buckets by the number that a change in the journal has.
var buckets = [][]byte{bucketMeta, bucketItems, bucketDead, bucketReasons}

// format 2 has the journal and the key files; 1, without both, is still opened.
const format = 2

const (
	segmentMost  = 4 << 20
	segmentLeast = 64 << 10
)

// open opens or makes all files, does what the journal says and counts.
func (b *Buffer) open() (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, b.abandon())
		}
	}()
	if b.lock, err = lock(filepath.Join(b.dir, "lock")); err != nil {
		return err
	}
	legacy, err := b.openKeys()
	if err != nil {
		return err
	}
	b.images, err = openSegments(filepath.Join(b.dir, "images"), min(max(b.maxBytes/64, segmentLeast), segmentMost))
	if err != nil {
		return err
	}
	b.journal, err = openJournal(b.dir, min(max(b.maxBytes/16, journalLeast), journalMost))
	if err != nil {
		return err
	}
	if err := os.Remove(b.compactPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := b.sizeDamaged(); err != nil {
		return err
	}
	if err = b.openDatabase(); errors.Is(err, errDamaged) {
		err = b.salvage(err)
	}
	if err != nil {
		return err
	}
	if legacy {
		if err := writeKeys(b.dir, b.key, b.machine); err != nil {
			return err
		}
	}
	if err := b.tidyFiles(); err != nil {
		return err
	}
	return sealed.SyncDir(b.dir)
}

// tidyFiles begins a generation of the journal, gives back the room of what is
// gone and forgets keys that nothing needs.
func (b *Buffer) tidyFiles() error {
	if err := b.checkpoint(); diskFull(err) {
		b.log.Warn("the disk is full; the buffer's journal keeps what its database has no room for", "error", err)
		return errors.Join(b.rewind(), b.images.sweep(true, false))
	} else if err != nil {
		return err
	}
	if err := b.images.sweep(true, false); err != nil {
		return err
	}
	if b.tally.empty() {
		return b.forgetOldKeys()
	}
	return nil
}

// abandon lets go of everything that is open after an error.
func (b *Buffer) abandon() error {
	var errs []error
	if b.tx != nil {
		if err := b.tx.Rollback(); !errors.Is(err, bolterrors.ErrTxClosed) {
			errs = append(errs, err)
		}
		errs = append(errs, b.db.Close())
	}
	if b.journal != nil {
		errs = append(errs, b.journal.close())
	}
	if b.lock != nil {
		errs = append(errs, b.lock.Close())
	}
	return errors.Join(errs...)
}

// lock takes the lock that goes with the process, however it ends.
func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrInUse
		}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// openDatabase opens or makes the database, does what the journal says and reads
// all of its keys. The error is errDamaged where that cannot be done.
func (b *Buffer) openDatabase() error {
	err := guard(func() error {
		if err := b.openFile(); err != nil {
			return err
		}
		if err := b.begin(b.tx); err != nil {
			return err
		}
		frames, err := b.journal.recover(false)
		if err == nil {
			err = b.redo(frames)
		}
		if err == nil {
			err = b.adopt(b.tx)
		}
		if err != nil {
			return err
		}
		return b.count(b.tx)
	})
	if err != nil && b.tx != nil && !errors.Is(err, errPages) {
		err = errors.Join(err, b.tx.Rollback(), b.db.Close())
	}
	if err != nil {
		b.tx, b.db = nil, nil
	}
	return err
}

func databaseOptions() *bbolt.Options {
	return &bbolt.Options{Timeout: 100 * time.Millisecond, FreelistType: bbolt.FreelistMapType}
}

func (b *Buffer) openFile() error {
	db, err := bbolt.Open(b.databasePath(), 0o600, databaseOptions())
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return ErrInUse
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return fmt.Errorf("%w: %w", errDamaged, err)
	case err != nil:
		return err
	}
	b.db = db
	b.tx, err = db.Begin(true)
	if err != nil {
		return errors.Join(err, db.Close())
	}
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
	got := meta.Get(metaFormat)
	if len(got) != 1 || got[0] == 0 || got[0] > format {
		return fmt.Errorf("%w: format %x", ErrFormat, got)
	}
	if _, err := b.key.Open(meta.Get(metaCheck), metaCheck); err != nil {
		return ErrKey
	}
	// Before an older key is forgotten, nothing needs it.
	if err := meta.Put(metaCheck, b.key.Seal(nil, metaCheck)); err != nil {
		return err
	}
	b.journal.base = 0 // of a buffer of format 1
	if generation := meta.Get(metaJournal); len(generation) == 8 {
		b.journal.base = binary.BigEndian.Uint64(generation)
	}
	return meta.Put(metaFormat, []byte{format})
}

// adopt takes the buffer's name and epoch.
func (b *Buffer) adopt(tx *bbolt.Tx) error {
	meta := tx.Bucket(bucketMeta)
	if had := string(meta.Get(metaDevice)); had != b.device {
		if err := b.rename(tx, had); err != nil {
			return err
		}
	}
	epoch := meta.Get(metaEpoch)
	if len(epoch) != 8 || len(meta.Get(metaSequence)) != 8 {
		return fmt.Errorf("%w: epoch or sequence is missing", errDamaged)
	}
	b.epoch = binary.BigEndian.Uint64(epoch)
	return nil
}

// checkpoint makes the database durable as it is, so that the journal can begin
// anew. After an error the transaction is over: see rewind.
func (b *Buffer) checkpoint() error {
	return guard(func() error {
		next := b.journal.generation + 1
		if err := b.tx.Bucket(bucketMeta).Put(metaJournal, binary.BigEndian.AppendUint64(nil, next)); err != nil {
			return err
		}
		if err := b.tx.Commit(); err != nil {
			b.journal.generation = next // it may be on disk all the same
			return fmt.Errorf("checkpoint: %w", err)
		}
		b.journal.begin(next)
		if err := b.compact(); err != nil {
			return err
		}
		var err error
		b.tx, err = b.db.Begin(true)
		return err
	})
}

func bucketNumber(name []byte) byte {
	return byte(slices.IndexFunc(buckets, func(b []byte) bool { return bytes.Equal(b, name) }))
}

func newEpoch() uint64 {
	var e [8]byte
	rand.Read(e[:]) //nolint:errcheck // crypto/rand.Read never fails: it ends the program instead
	return binary.BigEndian.Uint64(e[:])
}

// create writes what a new buffer begins with.
func (b *Buffer) create(tx *bbolt.Tx, epoch, sequence uint64) error {
	for _, name := range buckets {
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
	last := uint64(0)
	for name, add := range map[string]func(itemID, []byte, int) error{
		string(bucketItems): t.add,
		string(bucketDead):  t.addDead,
	} {
		err := tx.Bucket([]byte(name)).ForEach(func(k, v []byte) error {
			id, err := parseID(k)
			if err != nil {
				return err
			}
			last = max(last, id.sequence)
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
	b.sequence.Store(max(last, b.sequence.Load(), binary.BigEndian.Uint64(tx.Bucket(bucketMeta).Get(metaSequence))))
	b.tally = t
	b.images.recount(t.live)
	return nil
}
