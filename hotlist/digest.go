package hotlist

import (
	"crypto/sha256"
	"encoding/binary"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"nrd/hotlist/publication"
)

// digest is that of all keys and boxes of a list, whatever their order, and
// follows each change: the sum of their hashes, which nobody without the list's
// keys can make.
type digest struct {
	sum  publication.Content
	text []byte
	// whole is how much of text is the same for all.
	whole int
}

// digest goes on from a sum.
func (s secrets) digest(from publication.Content) *digest {
	return &digest{sum: from, text: append([]byte(nil), s.whole...), whole: len(s.whole)}
}

func (d *digest) add(key, box []byte)    { d.sum.AddSum(d.hash(key, box)) }
func (d *digest) remove(key, box []byte) { d.sum.RemoveSum(d.hash(key, box)) }

func (d *digest) hash(key, box []byte) [sha256.Size]byte {
	d.text = binary.BigEndian.AppendUint32(d.text[:d.whole], uint32(len(box)))
	d.text = append(append(d.text, key...), box...)
	return sha256.Sum256(d.text)
}

// letGo gives the memory back that reading a file from end to end has mapped: only
// the pages that matches need come again.
func (l *entryList) letGo(tx *bbolt.Tx) {
	// A damaged file says that it is longer than what is mapped of it, and what lies
	// behind that is other memory.
	size := min(tx.Size(), l.opened)
	// It is advice: where the kernel does not take it, nothing is lost.
	unix.Syscall(unix.SYS_MADVISE, l.db.Info().Data, uintptr(size), unix.MADV_DONTNEED) //nolint:errcheck // as said
}
