package uplink

import "go.etcd.io/bbolt"

// dropOrder is the order that the buffer promises. What was set aside goes
// before what still waits; hits are not in it.
var dropOrder = []struct {
	bucket []byte
	rank   rank
}{{bucketDead, readImage}, {bucketItems, readImage}, {bucketDead, readText}, {bucketItems, readText}}

// makeRoom lets go, in the order that the buffer promises, until need more bytes
// fit the quota, and reports whether they do.
func (w *batch) makeRoom(need int64) (bool, error) {
	if w.used()+need <= w.maxBytes || w.dropDamaged() && w.used()+need <= w.maxBytes {
		return true, nil
	}
	for _, from := range dropOrder {
		fits, err := w.dropOldest(from.bucket, from.rank, func() bool { return w.used()+need <= w.maxBytes })
		if fits || err != nil {
			return fits, err
		}
	}
	return false, nil
}

// used is what is taken up once the batch is committed.
func (w *batch) used() int64 {
	return w.tally.text + w.images.bytes() + w.journal.size + w.damaged - w.tally.freed
}

// dropOldest lets go of a bucket's items of one rank, oldest first, until enough
// says so. It reports what enough said last.
func (w *batch) dropOldest(bucket []byte, r rank, enough func() bool) (bool, error) {
	for !enough() {
		k, _ := w.tx.Bucket(bucket).Cursor().Seek([]byte{byte(r)})
		if k == nil || k[0] != byte(r) {
			return false, nil
		}
		if err := w.drop(bucket, append([]byte(nil), k...)); err != nil {
			return false, err
		}
	}
	return true, nil
}

// drop lets go of one item for lack of room or for its age.
func (w *batch) drop(bucket, k []byte) error {
	id, err := parseID(k)
	if err != nil {
		return err
	}
	value := append([]byte(nil), w.tx.Bucket(bucket).Get(k)...)
	if there, err := w.remove(bucket, k); err != nil || !there {
		return err
	}
	w.tally.drop(id)
	if !id.rank.image() {
		return nil
	}
	s, err := parseStored(id, value)
	if err != nil {
		return err
	}
	// The room of images comes back with the last one of their file.
	live, bytes := w.images.wanted(s.ref.segment)
	if live+w.tally.live[s.ref.segment] > 0 {
		return nil
	}
	w.tally.freed += bytes
	return w.images.finish(s.ref.segment)
}

// expire lets go of reads that are no hits and were captured more than maxDays
// before today. Without a proved clock nothing is old.
func (w *batch) expire() error {
	today := w.today()
	if w.maxDays == 0 || int(today) <= w.maxDays {
		return nil
	}
	for _, bucket := range [][]byte{bucketDead, bucketItems} {
		for _, r := range []rank{readImage, readText} {
			for _, k := range olderThan(w.tx.Bucket(bucket), r, today-day(w.maxDays), today) {
				if err := w.drop(bucket, k); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// expireLimit is how many items of unknown age are passed over in one go: they
// are few, from before the clock was proved or while it was wrong.
const expireLimit = 1000

// olderThan gives the keys of a rank's items of an earlier day. The queue is in
// the order of capture, so the first that is young enough ends the search. One from
// after today says nothing: the clock went wrong, then or since.
func olderThan(items *bbolt.Bucket, r rank, limit, today day) [][]byte {
	var keys [][]byte
	unknown := 0
	c := items.Cursor()
	for k, v := c.Seek([]byte{byte(r)}); k != nil && k[0] == byte(r) && unknown < expireLimit; k, v = c.Next() {
		id, err := parseID(k)
		if err != nil {
			continue
		}
		s, err := parseStored(id, v)
		if err != nil {
			continue
		}
		switch {
		case s.day == 0 || s.day > today:
			unknown++
		case s.day < limit:
			keys = append(keys, append([]byte(nil), k...))
		default:
			return keys
		}
	}
	return keys
}

// relieveText is how many records go at a time where there are no images.
const relieveText = 256

// relieve lets go of a damaged database that was set aside, then of as much as a
// file of images holds, or of some text where there are no images to let go of, for
// a disk that others have filled. It reports whether there was anything.
func (b *Buffer) relieve() bool {
	b.state.Lock()
	dropped := b.dropDamaged()
	b.state.Unlock()
	if dropped {
		return true
	}
	var before, after drops
	err := b.batch(func(w *batch) error {
		before = w.tally.dropped
		defer func() { after = w.tally.dropped }()
		for _, from := range dropOrder {
			enough, err := w.dropOldest(from.bucket, from.rank, func() bool {
				return w.tally.freed > 0 || w.tally.dropped.Records >= before.Records+relieveText
			})
			if enough || err != nil {
				return err
			}
		}
		return nil
	})
	return err == nil && after != before
}
