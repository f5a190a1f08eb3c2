package hotlist

import (
	"bytes"
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
	"syscall"

	"go.etcd.io/bbolt"

	"nrd"
	"nrd/hotlist/voi"
	"nrd/internal/sealed"
)

const (
	listSuffix       = ".list"
	corruptInfix     = ".corrupt-"
	unfinishedSuffix = ".new"
)

// The two buckets of a list's file: one entry a key, and one sealed header.
var (
	entriesBucket = []byte("entries")
	headerBucket  = []byte("header")
	headerName    = []byte("list")
)

// header is what a list's file says of itself.
type header struct {
	nrd.ListVersion
	// Digest is SHA-256 over all keys and boxes in their order.
	Digest []byte
}

// list is one version of one list, opened for reading.
type list struct {
	path    string
	db      *bbolt.DB
	secrets secrets
	version nrd.ListVersion
	digest  []byte
}

// openList opens a file and reads its header. The error is ErrDamaged where it
// is no list, or none under this key.
func openList(path string, key *sealed.Key) (*list, error) {
	l := &list{path: path}
	err := guarded(func() error {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if info.Size() == 0 {
			return errors.New("it is empty") // bbolt would try to make a new one of it
		}
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
		if err != nil {
			return err
		}
		l.db = db
		return db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket(headerBucket)
			if b == nil {
				return errors.New("it has no header")
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
	var system syscall.Errno // no memory to map it, say: the file is not to blame
	if errors.As(err, &system) {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return nil, fmt.Errorf("%s: %w: %w", filepath.Base(path), ErrDamaged, err)
}

func (l *list) readHeader(box []byte, key *sealed.Key) error {
	text, err := key.Open(box, headerName)
	if err != nil {
		return err
	}
	var h header
	if err := json.Unmarshal(text, &h); err != nil {
		return err
	}
	l.version, l.digest, l.secrets = h.ListVersion, h.Digest, newSecrets(key, h.List)
	if want := fileName(key, h.List, h.Version); filepath.Base(l.path) != want {
		return fmt.Errorf("it is version %d and belongs in %s", h.Version, want)
	}
	return nil
}

// verify reads the whole file and compares it with its digest.
func (l *list) verify() error {
	d := newDigest()
	n := 0
	if err := l.each(func(key, box []byte) error {
		d.add(key, box)
		n++
		return nil
	}); err != nil {
		return err
	}
	if n != l.version.Entries || !bytes.Equal(d.sum(), l.digest) {
		return fmt.Errorf("%s: %w: its entries are not those that were written", filepath.Base(l.path), ErrDamaged)
	}
	return nil
}

// each gives every key and box in the order of keys; they are valid only during
// the call.
func (l *list) each(do func(key, box []byte) error) error {
	return l.read(func(b *bbolt.Bucket) error { return b.ForEach(do) })
}

// lookup gives the entries with this VRM.
func (l *list) lookup(v nrd.VRM) ([]nrd.Entry, error) {
	var entries []nrd.Entry
	prefix := l.secrets.prefix(v)
	err := l.read(func(b *bbolt.Bucket) error {
		c := b.Cursor()
		for key, box := c.Seek(prefix); bytes.HasPrefix(key, prefix); key, box = c.Next() {
			e, err := l.secrets.open(key, box)
			if err != nil {
				return err
			}
			e.List = l.version.List
			entries = append(entries, e)
		}
		return nil
	})
	return entries, err
}

// read calls do in a transaction. Whatever goes wrong in reading a file that was
// whole when it was opened is damage.
func (l *list) read(do func(*bbolt.Bucket) error) error {
	err := guarded(func() error {
		return l.db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket(entriesBucket)
			if b == nil {
				return errors.New("it has no entries")
			}
			return do(b)
		})
	})
	if err != nil {
		return fmt.Errorf("%s: %w: %w", filepath.Base(l.path), ErrDamaged, err)
	}
	return nil
}

// remove closes the list and deletes its file.
func (l *list) remove() error {
	return errors.Join(l.db.Close(), os.Remove(l.path), sealed.SyncDir(filepath.Dir(l.path)))
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
	hash []byte
}

func newSecrets(key *sealed.Key, list string) secrets {
	return secrets{seal: key.Derive("entries of " + list), hash: key.Derive("vrms of " + list).Bytes()}
}

const (
	prefixSize = 16
	keySize    = prefixSize + 8
)

// prefix begins the key of every entry with this VRM.
func (s secrets) prefix(v nrd.VRM) []byte {
	m := hmac.New(sha256.New, s.hash)
	m.Write([]byte(v))
	return m.Sum(nil)[:prefixSize]
}

// key is an entry's key: the same for the same VRM and reference.
func (s secrets) key(e *nrd.Entry) []byte {
	m := hmac.New(sha256.New, s.hash)
	m.Write([]byte(string(e.VRM) + "\x00" + e.Reference))
	return append(s.prefix(e.VRM), m.Sum(nil)[:keySize-prefixSize]...)
}

// box seals an entry, as a line of its file, to its key.
func (s secrets) box(key []byte, e *nrd.Entry) ([]byte, error) {
	line, err := voi.FormatLine(e)
	if err != nil {
		return nil, err
	}
	return s.seal.Seal(append(binary.AppendUvarint(nil, uint64(e.Line)), line...), key), nil
}

func (s secrets) open(key, box []byte) (nrd.Entry, error) {
	text, err := s.seal.Open(box, key)
	if err != nil {
		return nrd.Entry{}, err
	}
	number, n := binary.Uvarint(text)
	if n <= 0 {
		return nrd.Entry{}, errors.New("an entry has no line number")
	}
	e, problems := voi.ParseLine(string(text[n:]))
	for _, p := range problems {
		if p.Refused {
			return nrd.Entry{}, errors.New(p.String())
		}
	}
	e.Line = int(number)
	return e, nil
}

// fileName is LIST-VERSION.list; LIST is a keyed hash of the list's name.
func fileName(key *sealed.Key, list string, version uint64) string {
	return fmt.Sprintf("%s-%d%s", hiddenName(key, list), version, listSuffix)
}

func hiddenName(key *sealed.Key, list string) string {
	m := hmac.New(sha256.New, key.Derive("names of lists").Bytes())
	m.Write([]byte(list))
	return hex.EncodeToString(m.Sum(nil)[:prefixSize])
}

// digest is SHA-256 over keys and boxes with their lengths.
type digest struct{ hash.Hash }

func newDigest() digest { return digest{sha256.New()} }

func (d digest) add(key, box []byte) {
	d.Write(binary.BigEndian.AppendUint32(nil, uint32(len(box))))
	d.Write(key)
	d.Write(box)
}

func (d digest) sum() []byte { return d.Sum(nil) }
