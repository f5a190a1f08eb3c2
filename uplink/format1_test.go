package uplink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"nrd"
	"nrd/internal/sealed"
)

// makeFormat1 writes a buffer as the program did that knew format 1 only: no
// journal, no key files, items sealed under a key derived from the machine's. It
// holds so many reads with images, and where there are more than three, the first
// one's patch is a dead letter and something was dropped before.
func makeFormat1(t testing.TB, c BufferConfig, records int) nrd.Key {
	t.Helper()
	old := &Buffer{key: keys{c.Key.Derive("uplink buffer")}, device: c.Device, epoch: 0x0102030405060708}
	if err := sealed.MakeDir(c.Dir); err != nil {
		t.Fatal(err)
	}
	images, err := openSegments(filepath.Join(c.Dir, "images"), segmentLeast)
	if err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(filepath.Join(c.Dir, "buffer.db"), 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range []string{"meta", "items", "dead", "reasons"} {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		meta := tx.Bucket([]byte("meta"))
		for sequence := range uint64(records) {
			r := read(c.Clock, nrd.VRM(fmt.Sprintf("OLD%d", sequence+1)))
			r.Key = nrd.Key{Device: c.Device, Epoch: old.epoch, Sequence: sequence + 1}
			puts, err := old.pack(r)
			if err != nil {
				return err
			}
			for _, p := range puts {
				s := stored{day: p.day, box: p.box}
				if p.id.rank.image() {
					if s.ref, err = images.append(false, p.box); err != nil {
						return err
					}
				}
				bucket := "items"
				if records > 3 && p.id.sequence == 1 && p.id.part == partPatch {
					bucket = "dead"
					if err := tx.Bucket([]byte("reasons")).Put(p.id.bytes(), []byte("refused")); err != nil {
						return err
					}
				}
				if err := tx.Bucket([]byte(bucket)).Put(p.id.bytes(), s.bytes(p.id)); err != nil {
					return err
				}
			}
		}
		if err := images.sync(); err != nil {
			return err
		}
		if records > 3 {
			dropped := []byte(`{"Records":1,"Images":4,"UnreportedRecords":0,"UnreportedImages":2}`)
			if err := meta.Put([]byte("dropped"), dropped); err != nil {
				return err
			}
		}
		return errors.Join(
			meta.Put([]byte("format"), []byte{1}),
			meta.Put([]byte("device"), []byte(c.Device)),
			meta.Put([]byte("epoch"), binary.BigEndian.AppendUint64(nil, old.epoch)),
			meta.Put([]byte("sequence"), binary.BigEndian.AppendUint64(nil, uint64(records)+5)),
			meta.Put([]byte("check"), old.key.Seal(nil, []byte("check"))),
		)
	})
	if err := errors.Join(err, db.Close(), images.retire(false), sealed.SyncDir(c.Dir)); err != nil {
		t.Fatal(err)
	}
	return nrd.Key{Device: c.Device, Epoch: old.epoch, Sequence: uint64(records)}
}
