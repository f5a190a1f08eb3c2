// Package uplink brings records from a device to central: the [Buffer] keeps
// them, the [Client] sends them until central says that they are stored.
//
// A record lives in the buffer from the moment Append returns until central's
// receipt. Nothing else ends it: a broker's acknowledgement only marks it sent,
// and what was sent without a receipt is sent again. So a record may arrive
// twice, and central, which knows it by its key and digest, stores it once.
package uplink

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"

	"nrd"
	"nrd/internal/identity"
	"nrd/internal/sealed"
	"nrd/uplink/wire"
)

// BufferConfig says where a buffer is and how much it may hold. All fields but
// MaxAge are needed.
type BufferConfig struct {
	// Dir is the buffer's own folder; it is made if it is not there.
	Dir string
	// Device is the name in the unit's certificate. It becomes part of each
	// record's key.
	Device string
	// Key is the machine's key; the buffer derives its own from it.
	Key *sealed.Key
	// MaxBytes is how much disk the buffer may take. The least is 1 MiB.
	MaxBytes int64
	// MaxAge is how old a read that is no hit may get, counted in whole days
	// from its capture; 0 for any age. A read whose time was not proved has
	// no age.
	MaxAge time.Duration
	Clock  nrd.Clock
	Log    *slog.Logger

	// compactFrom is replaced by tests.
	compactFrom int64
}

const minBytes = 1 << 20

// Buffer keeps records and their images on disk until central has them. All
// methods are safe for concurrent use. This is its contract; contract_test.go
// holds it to that through restarts, kills, new keys and an older format, and
// powercut_test.go at every write.
//
// Durability: when Append returns without error, record and images are on stable
// storage and survive a crash, a kill and a power cut, all of them. Of a record
// whose Append did not return there is all or nothing. A receipt that was acted
// on stays acted on. Appends that come at the same time share their fsyncs.
//
// Identity: no key is given out twice, whatever happens to clock or disk.
//
// Secrecy: everything that was read or matched is sealed under keys of the
// buffer's own, which are sealed under the machine's. In the clear are numbers of
// items, their lengths, the day of capture, why central refused what it refused,
// and counts. See Rekey for a new machine key.
//
// Room: when MaxBytes is reached, what goes first is images of reads that are no
// hits, oldest first; then such reads, oldest first; of either, what was set
// aside before what waits. Reads that are no hits go as well when they are older
// than MaxAge. Hits never go: full of hits, Append says ErrFull and Stats says
// Full until there is room. A disk that others have filled is treated likewise:
// what may go goes first, then ErrFull. Everything let go or refused is counted by
// kind, logged and reported to central as an event. The files shrink again when they
// hold less.
//
// Damage: an item whose bytes on disk are not what was written is set aside
// among the dead letters, and the rest goes on. A database that cannot be read
// any more is set aside as a file, the newest such one until its room is needed, and
// what can still be proved genuine in it and in the journal is taken over. Of a
// damaged journal the items whose very keys are gone are counted; how many items a
// destroyed page of the database held nobody knows, so they are not.
//
// Order: hits before other reads, within them text before images, oldest first.
//
// In the folder are buffer.db (bbolt), the journal of what it does not hold yet,
// images/ with files of sealed images, keys.1 and keys.2 (one a copy of the
// other) and the lock. A buffer of format 1, without journal and key files, is
// taken over when it is opened.
type Buffer struct {
	log   *slog.Logger
	clock nrd.Clock
	// machine is the machine's key, key the buffer's own under it.
	machine *sealed.Key
	key     keys
	// replacing says that the key files open under the next machine key too.
	replacing bool
	device    string
	epoch     uint64
	// maxBytes and maxDays are the quota.
	maxBytes int64
	maxDays  int

	dir      string
	lock     *os.File
	images   *segments
	sequence atomic.Uint64

	// state is held by the writer while it works on a batch, until that is on
	// stable storage, and by whoever looks: so nobody sees what a power cut
	// could still undo.
	state   sync.Mutex
	db      *bbolt.DB
	tx      *bbolt.Tx // always open: what the journal has and the database not yet
	journal *journal
	tally   tally
	// full says that there was no room for the last record. refused counts those
	// for which a full disk had none; it goes to the tally with the next batch
	// that can be written.
	full    bool
	refused uint64
	// damaged is the length of a damaged database that was set aside.
	damaged int64
	// compactFrom is the length from which the database is written anew.
	compactFrom int64
	// working says that the buffer is open and others wait for it.
	working bool

	requests chan *request
	closing  chan struct{}
	done     chan struct{}
	closed   sync.Once
	closeErr error
	// changed has a token when there may be something new to send.
	changed chan struct{}

	// suspect asks the writer to replace a database that cannot be read.
	suspect chan error
}

// OpenBuffer opens the buffer in the folder, or makes it. The error is ErrInUse,
// ErrDevice, ErrKey or ErrFormat where the folder holds a buffer that cannot be
// used so.
func OpenBuffer(c BufferConfig) (*Buffer, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	b := &Buffer{
		log:         c.Log,
		clock:       c.Clock,
		machine:     c.Key,
		device:      c.Device,
		maxBytes:    c.MaxBytes,
		maxDays:     int((c.MaxAge + 24*time.Hour - 1) / (24 * time.Hour)),
		dir:         c.Dir,
		compactFrom: cmp.Or(c.compactFrom, compactFrom),
		requests:    make(chan *request, batchLimit),
		closing:     make(chan struct{}),
		done:        make(chan struct{}),
		changed:     make(chan struct{}, 1),
		suspect:     make(chan error, 1),
	}
	if err := sealed.MakeDir(c.Dir); err != nil {
		return nil, fmt.Errorf("buffer: %w", err)
	}
	if err := b.open(); err != nil {
		return nil, fmt.Errorf("buffer %s: %w", c.Dir, err)
	}
	b.working = true
	go b.write()
	return b, nil
}

func (c BufferConfig) validate() error {
	switch {
	case c.Dir == "" || c.Key == nil || c.Clock == nil || c.Log == nil:
		return errors.New("buffer: Dir, Key, Clock and Log must be set")
	case c.MaxBytes < minBytes:
		return fmt.Errorf("buffer: MaxBytes is %d, the least is %d", c.MaxBytes, minBytes)
	case c.MaxAge < 0:
		return fmt.Errorf("buffer: MaxAge is negative: %s", c.MaxAge)
	}
	if err := identity.ValidDevice(c.Device); err != nil {
		return fmt.Errorf("buffer: %w", err)
	}
	return nil
}

// Append keeps a record with its images and gives it its key, which it also
// writes to rec.Key. On an error nothing is kept and rec is as it was:
// ErrFull, ErrClosed, or wire.ErrInvalid for a record that central would refuse.
func (b *Buffer) Append(rec *nrd.Record) (nrd.Key, error) {
	r := *rec
	r.Key = nrd.Key{Device: b.device, Epoch: b.epoch, Sequence: b.sequence.Add(1)}
	puts, err := b.pack(&r)
	if err != nil {
		return nrd.Key{}, fmt.Errorf("append: %w", err)
	}
	if err := b.ask(&request{puts: puts}); err != nil {
		return nrd.Key{}, fmt.Errorf("append: %w", err)
	}
	rec.Key = r.Key
	return r.Key, nil
}

// pack makes a record's items: its text and up to two images.
func (b *Buffer) pack(r *nrd.Record) ([]put, error) {
	text, image := readText, readImage
	if r.IsHit() {
		text, image = hitText, hitImage
	}
	m := wire.FromRecord(r)
	if _, err := wire.ToRecord(m); err != nil {
		return nil, err
	}
	payload, err := wire.Marshal(m)
	if err != nil {
		return nil, err
	}
	when := dayOf(r.Captured)
	puts := []put{b.seal(itemID{text, r.Key.Sequence, partRecord}, when, payload)}
	for _, i := range []struct {
		part  part
		kind  nrd.ImageKind
		image nrd.Image
	}{{partPatch, nrd.ImagePatch, r.Patch}, {partOverview, nrd.ImageOverview, r.Overview}} {
		if len(i.image.JPEG) == 0 {
			continue
		}
		m := wire.FromImage(r.Key, i.kind, i.image)
		if _, _, _, err := wire.ToImage(m); err != nil {
			return nil, fmt.Errorf("%s: %w", i.kind, err)
		}
		payload, err := wire.Marshal(m)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", i.kind, err)
		}
		puts = append(puts, b.seal(itemID{image, r.Key.Sequence, i.part}, when, payload))
	}
	return puts, nil
}

func (b *Buffer) seal(id itemID, when day, payload []byte) put {
	return put{id: id, day: when, box: b.key.Seal(payload, id.bytes())}
}

// Close waits until what was asked of the buffer is done and closes it.
func (b *Buffer) Close() error {
	b.closed.Do(func() {
		close(b.closing)
		<-b.done
		b.state.Lock()
		defer b.state.Unlock()
		b.closeErr = b.shut()
	})
	return b.closeErr
}

// shut leaves the database complete, so that the next start finds nothing in the
// journal, and closes everything.
func (b *Buffer) shut() error {
	if b.tx != nil {
		if err := b.tidyFiles(); err != nil {
			b.log.Warn("the buffer's database could not be brought up to date; its journal has what is missing", "error", err)
		}
	}
	err := errors.Join(b.images.close(), b.abandon())
	b.tx, b.db = nil, nil
	return err
}

// Stats counts what the buffer holds.
type Stats struct {
	// Records, Images and Events are waiting for a receipt.
	Records, Images, Events int
	// OldestWaiting is the capture time of the oldest waiting record; zero
	// when there is none.
	OldestWaiting time.Time
	// Dropped counts by kind ("record", "image", "damaged") what was let go since
	// the buffer was made, and as "refused" the records that it had no room for.
	Dropped map[string]uint64
	// DeadLetters counts the items that were set aside.
	DeadLetters int
	// Full says that the last record that came was refused with ErrFull.
	Full bool
	// Bytes is the disk that is taken up, and DiskFree what its volume has
	// left.
	Bytes    int64
	DiskFree uint64
}

// Stats gives the counts of this moment.
func (b *Buffer) Stats() (Stats, error) {
	oldest, err := b.oldest()
	if err != nil {
		return Stats{}, err
	}
	var volume syscall.Statfs_t
	if err := syscall.Statfs(b.dir, &volume); err != nil {
		return Stats{}, fmt.Errorf("buffer %s: %w", b.dir, err)
	}
	b.state.Lock()
	t, full, damaged := b.tally, b.full, b.damaged
	t.dropped.refuse(b.refused)
	b.state.Unlock()
	return Stats{
		Records:       t.items[partRecord],
		Images:        t.items[partPatch] + t.items[partOverview],
		Events:        t.items[partEvent],
		OldestWaiting: oldest,
		Dropped:       t.droppedByKind(),
		DeadLetters:   t.dead,
		Full:          full,
		Bytes:         t.text + b.images.bytes() + b.journal.size + damaged,
		DiskFree:      volume.Bavail * uint64(volume.Bsize), //nolint:unconvert // Bsize is int32 on ARM
	}, nil
}

// oldest is the capture time of the first waiting record. In each rank of text
// the first record has waited longest.
func (b *Buffer) oldest() (time.Time, error) {
	var oldest time.Time
	for _, r := range []rank{hitText, readText} {
		i, err := b.firstRecord(r)
		if err != nil {
			return time.Time{}, err
		}
		if i == nil {
			continue
		}
		var m wire.Record
		if err := wire.Unmarshal(i.payload, &m); err != nil {
			return time.Time{}, err
		}
		at := time.Unix(0, m.GetCaptured().GetUtcNs()).UTC()
		if oldest.IsZero() || at.Before(oldest) {
			oldest = at
		}
	}
	return oldest, nil
}

// DeadLetter is an item that was set aside, because central refused it for good
// or because it was damaged on disk.
type DeadLetter struct {
	Key    nrd.Key
	Kind   string
	Reason string
}

// DeadLetters lists what was set aside. It stays there until the buffer needs
// the room; of hits, for ever.
func (b *Buffer) DeadLetters() ([]DeadLetter, error) {
	var letters []DeadLetter
	err := b.view(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketDead).ForEach(func(k, _ []byte) error {
			id, err := parseID(k)
			if err != nil {
				return err
			}
			letters = append(letters, DeadLetter{
				Key:    b.keyOf(id),
				Kind:   kinds[id.part],
				Reason: string(bytes.Clone(tx.Bucket(bucketReasons).Get(k))),
			})
			return nil
		})
	})
	return letters, err
}

func (b *Buffer) keyOf(id itemID) nrd.Key {
	return nrd.Key{Device: b.device, Epoch: b.epoch, Sequence: id.sequence}
}

func (b *Buffer) databasePath() string { return filepath.Join(b.dir, "buffer.db") }
