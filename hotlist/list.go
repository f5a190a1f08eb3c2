package hotlist

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"

	"go.etcd.io/bbolt"

	"nrd"
	"nrd/hotlist/publication"
	"nrd/hotlist/voi"
	"nrd/internal/sealed"
)

const (
	listSuffix       = ".list"
	statusSuffix     = ".status"
	corruptInfix     = ".corrupt-"
	unfinishedSuffix = ".new"
)

// list is one version of one list, opened for reading. Whatever goes wrong in
// reading a file that was whole when it was opened is ErrDamaged.
type list interface {
	version() nrd.ListVersion
	// about says where the list came from.
	about() header
	// path is where the file is; it may be given another name while it is open.
	path() string
	moved(path string)
	// verify reads the whole file and compares it with what was written. lookup, which
	// adds the entries with a VRM to those found, may be called afterwards.
	verify(ctx context.Context) error
	lookup(v nrd.VRM, f *found) error
	close() error
}

// openList opens a file of either form and reads its header. The error is
// ErrDamaged where it is no list, or none under this key.
func openList(path string, key *sealed.Key) (list, error) {
	if filepath.Ext(path) == statusSuffix {
		return openStatusList(path, key)
	}
	return openEntryList(path, key)
}

// discard closes a list and deletes its file.
func discard(l list) error {
	return errors.Join(l.close(), os.Remove(l.path()), sealed.SyncDir(filepath.Dir(l.path())))
}

// The two buckets of a list's file: one entry a key, and one sealed header.
var (
	entriesBucket = []byte("entries")
	headerBucket  = []byte("header")
	headerName    = []byte("list")
)

// header is what a list's file says of itself.
type header struct {
	nrd.ListVersion
	// Number stands in the file's name; 0 is the version.
	Number uint64 `json:",omitempty"`
	// Published is what central says of a list that came from there, or nil.
	Published *publication.Publication `json:",omitempty"`
	// Digest is that of all keys and boxes; a list of statuses has none.
	Digest publication.Content
}

func (h header) about() header            { return h }
func (h header) version() nrd.ListVersion { return h.ListVersion }

func (h header) number() uint64 {
	if h.Number != 0 {
		return h.Number
	}
	return h.Version
}

// entryList is a list in bbolt: each entry of it with all it says.
type entryList struct {
	header
	file string
	db   *bbolt.DB
	// opened is how long the file was when it was opened: at least so much of it
	// is mapped.
	opened  int64
	secrets secrets
	// filter knows which VRMs are not in the list, and that is nearly all.
	filter filter
	// pending holds whatever the file's entries say. The cache's mu guards it, as
	// it does the header.
	pending pending
	view    view
}

func openEntryList(path string, key *sealed.Key) (list, error) {
	l := &entryList{file: path}
	err := guarded(func() error {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if info.Size() == 0 {
			return errors.New("it is empty") // bbolt would try to make a new one of it
		}
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType})
		if err != nil {
			return err
		}
		l.db, l.opened = db, info.Size()
		return db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket(headerBucket)
			if b == nil {
				return errors.New("it has no header")
			}
			if l.pending, err = readPending(tx); err != nil {
				return err
			}
			return l.readHeader(b.Get(headerName), key)
		})
	})
	if err == nil {
		return l, nil
	}
	if l.db != nil {
		err = errors.Join(err, l.db.Close())
	}
	return nil, damaged(path, err)
}

// damaged says that a file is, unless it is not to blame: there is no memory to
// map it, say.
func damaged(path string, err error) error {
	var system syscall.Errno
	if errors.As(err, &system) {
		return fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return fmt.Errorf("%s: %w: %w", filepath.Base(path), ErrDamaged, err)
}

func (l *entryList) readHeader(box []byte, key *sealed.Key) error {
	text, err := key.Open(box, headerName)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &l.header); err != nil {
		return err
	}
	l.secrets = newSecrets(key, l.List)
	return nil
}

func (l *entryList) path() string      { return l.file }
func (l *entryList) moved(path string) { l.file = path }

// verify compares the file with its digest, and makes the filter.
func (l *entryList) verify(ctx context.Context) error {
	d := l.secrets.digest(publication.Content{})
	l.filter = newFilter(l.Entries)
	n, seen := 0, 0
	count := func(key, box []byte) {
		d.add(key, box)
		l.filter.add(key)
		n++
	}
	err := l.read(func(b *bbolt.Bucket) error {
		defer l.letGo(b.Tx())
		return b.ForEach(func(key, box []byte) error {
			if !l.pending.has(key) {
				count(key, box)
			}
			if seen++; seen%entriesPerCommit == 0 {
				l.letGo(b.Tx())
			}
			if seen > l.Entries+len(l.pending) {
				return errors.New("it has more entries than were written") // or pages that go round in a circle
			}
			return ctx.Err()
		})
	})
	for _, it := range l.pending {
		if it.box != nil {
			count(it.key, it.box)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	if n != l.Entries || d.sum != l.Digest {
		return fmt.Errorf("%s: %w: its entries are not those that were written", filepath.Base(l.file), ErrDamaged)
	}
	return nil
}

// lookup adds the entries with this VRM.
func (l *entryList) lookup(v nrd.VRM, f *found) error {
	l.secrets.prefix(&f.prefix, v)
	if !l.filter.has(f.prefix[:]) {
		return nil
	}
	if !l.view.mu.TryLock() { // another match has it, or the file is being changed
		return l.read(func(b *bbolt.Bucket) error { return l.find(b.Cursor(), f) })
	}
	defer l.view.mu.Unlock()
	err := guarded(func() error {
		c, err := l.view.of(l.db)
		if err != nil {
			return err
		}
		return l.find(c, f)
	})
	if err != nil || l.view.copied {
		err = errors.Join(err, l.view.end())
	}
	if err != nil {
		return l.damaged(err)
	}
	return nil
}

// find adds the entries whose keys begin with the prefix.
func (l *entryList) find(c *bbolt.Cursor, f *found) error {
	prefix := f.prefix[:]
	changes := l.pending.of(prefix)
	for key, box := c.Seek(prefix); bytes.HasPrefix(key, prefix); key, box = c.Next() {
		if changes.has(key) {
			continue
		}
		if err := l.open(key, box, f); err != nil {
			return err
		}
	}
	for _, it := range changes {
		if it.box == nil {
			continue
		}
		if err := l.open(it.key, it.box, f); err != nil {
			return err
		}
	}
	return nil
}

// open adds the entry that a box holds.
func (l *entryList) open(key, box []byte, f *found) error {
	number, line, err := l.secrets.line(&f.text, key, box)
	if err != nil {
		return err
	}
	e, problems := voi.ParseLine(string(line))
	for _, p := range problems {
		if p.Refused {
			return errors.New(p.String())
		}
	}
	e.Line, e.List = number, l.List
	f.entries = append(f.entries, e)
	return nil
}

// read calls do in a transaction. Whatever goes wrong in reading a file that was
// whole when it was opened is damage.
func (l *entryList) read(do func(*bbolt.Bucket) error) error {
	err := guarded(func() error {
		return l.db.View(func(tx *bbolt.Tx) error {
			b, err := entriesOf(tx)
			if err != nil {
				return err
			}
			return do(b)
		})
	})
	if err != nil {
		return l.damaged(err)
	}
	return nil
}

func (l *entryList) damaged(cause error) error {
	return fmt.Errorf("%s: %w: %w", filepath.Base(l.file), ErrDamaged, cause)
}

// update calls do in a transaction that changes the file.
func (l *entryList) update(do func(*bbolt.Tx) error) error {
	l.view.mu.Lock()
	defer l.view.mu.Unlock()
	return guarded(func() error {
		if err := l.view.end(); err != nil {
			return err
		}
		return l.db.Update(do)
	})
}

func (l *entryList) close() error {
	l.view.mu.Lock()
	defer l.view.mu.Unlock()
	return errors.Join(l.view.end(), l.db.Close())
}

func entriesOf(tx *bbolt.Tx) (*bbolt.Bucket, error) {
	b := tx.Bucket(entriesBucket)
	if b == nil {
		return nil, errors.New("it has no entries")
	}
	return b, nil
}

// guarded turns a panic into an error: bbolt trusts its file, which is mapped
// into memory, so a damaged or shortened one makes it panic or touch memory that
// is not there.
func guarded(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("it cannot be read: %v", r)
		}
	}()
	return do()
}

// secrets are one list's keys.
type secrets struct {
	seal *sealed.Key
	// whole begins what digests are made of.
	whole []byte
	// hashes are keyedHash: making one costs more than using it.
	hashes *sync.Pool
}

// keyedHash makes sums, the last of which stays in sum.
type keyedHash struct {
	hash.Hash
	text, sum []byte
}

func newSecrets(key *sealed.Key, list string) secrets {
	raw := key.Derive("vrms of " + list).Bytes()
	return secrets{seal: key.Derive("entries of " + list), whole: key.Derive("digest of " + list).Bytes(), hashes: &sync.Pool{New: func() any { return &keyedHash{Hash: hmac.New(sha256.New, raw)} }}}
}

const (
	prefixSize = 16
	keySize    = prefixSize + 8
)

// prefix makes p what the key of every entry with this VRM begins with.
func (s secrets) prefix(p *[prefixSize]byte, v nrd.VRM) { s.sum(p[:], string(v)) }

// key is an entry's key: the same for the same VRM and reference.
func (s secrets) key(e *nrd.Entry) []byte {
	key := make([]byte, keySize)
	s.sum(key[:prefixSize], string(e.VRM))
	s.sum(key[prefixSize:], string(e.VRM), "\x00", e.Reference)
	return key
}

// sum puts the beginning of the keyed hash of texts, one after the other, in to.
func (s secrets) sum(to []byte, texts ...string) {
	m := s.hashes.Get().(*keyedHash) //nolint:errcheck // the pool makes nothing else
	m.text = m.text[:0]
	for _, t := range texts {
		m.text = append(m.text, t...)
	}
	m.Reset()
	m.Write(m.text)
	m.sum = m.Sum(m.sum[:0])
	copy(to, m.sum)
	s.hashes.Put(m)
}

// box seals an entry, as a line of its file, to its key.
func (s secrets) box(key []byte, e *nrd.Entry) ([]byte, error) {
	line, err := voi.FormatLine(e)
	if err != nil {
		return nil, err
	}
	return s.boxLine(key, e.Line, []byte(line)), nil
}

// boxLine is box for an entry that is a line already.
func (s secrets) boxLine(key []byte, number int, line []byte) []byte {
	return s.seal.Seal(append(binary.AppendUvarint(make([]byte, 0, len(line)+binary.MaxVarintLen32), uint64(number)), line...), key)
}

// line gives what boxLine got. The line lies in room until that is used again.
func (s secrets) line(room *[]byte, key, box []byte) (number int, line []byte, err error) {
	text, err := s.seal.OpenTo((*room)[:0], box, key)
	if err != nil {
		return 0, nil, err
	}
	*room = text
	n, size := binary.Uvarint(text)
	if size <= 0 {
		return 0, nil, errors.New("an entry has no line number")
	}
	return int(n), text[size:], nil
}

// fileName is LIST-VERSION.list or LIST-VERSION.status; LIST is a keyed hash of
// the list's name.
func fileName(key *sealed.Key, list string, version uint64, suffix string) string {
	return fmt.Sprintf("%s-%d%s", hiddenName(key, list), version, suffix)
}

func hiddenName(key *sealed.Key, list string) string {
	m := hmac.New(sha256.New, key.Derive("names of lists").Bytes())
	m.Write([]byte(list))
	return hex.EncodeToString(m.Sum(nil)[:prefixSize])
}
