package uplink

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"nrd"
	"nrd/uplink/wire"
)

// count says how many items of each rank wait.
func count(t testing.TB, b *Buffer) [ranks]int {
	t.Helper()
	var n [ranks]int
	for _, i := range queue(t, b) {
		n[i.id.rank]++
	}
	return n
}

// onDisk is the length of all files of images.
func onDisk(t testing.TB, c BufferConfig) int64 {
	t.Helper()
	names, err := os.ReadDir(filepath.Join(c.Dir, "images"))
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	for _, name := range names {
		info, err := name.Info()
		if err != nil {
			t.Fatal(err)
		}
		n += info.Size()
	}
	return n
}

// addMany appends records from many goroutines, which share fsyncs.
func addMany(t testing.TB, b *Buffer, n int, record func() *nrd.Record) {
	t.Helper()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range n / 20 {
				if _, err := b.Append(record()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// text makes a record without images and with much text.
func text(r *nrd.Record) *nrd.Record {
	r.Patch, r.Overview = nrd.Image{}, nrd.Image{}
	r.Controller, r.Deployment, r.Software = strings.Repeat("c", 256), strings.Repeat("d", 256), strings.Repeat("s", 256)
	return r
}

func TestAFullBufferLetsGoInThePromisedOrder(t *testing.T) {
	c := config(t)
	c.MaxBytes = minBytes
	b := open(t, c)
	add(t, b, hit(c.Clock, "HIT1"))
	for n := range 60 {
		add(t, b, read(c.Clock, nrd.VRM(fmt.Sprintf("READ%d", n))))
	}
	n := count(t, b)
	if n[hitText] != 1 || n[hitImage] != 2 || n[readText] != 60 || n[readImage] == 0 || n[readImage] > 80 {
		t.Fatalf("waiting by rank: %v; want the hit and all text, and the newest images", n)
	}
	images := queue(t, b)[1+2+60:]
	if first := images[0].id.sequence; first < 20 {
		t.Errorf("the oldest image that was kept is of record %d: not the oldest went first", first)
	}
	if s := stats(t, b); s.Dropped["image"] != uint64(120-n[readImage]) || s.Dropped["record"] != 0 || s.Bytes > c.MaxBytes {
		t.Errorf("stats %+v with %d images waiting", s, n[readImage])
	}
	if size := onDisk(t, c); size > c.MaxBytes {
		t.Errorf("images take up %d bytes, more than the quota", size)
	}

	// Text alone fills it up next: all images go, then the oldest reads.
	addMany(t, b, 600, func() *nrd.Record { return text(read(c.Clock, "LATER")) })
	n = count(t, b)
	if n[hitText] != 1 || n[hitImage] != 2 || n[readImage] != 0 || n[readText] == 0 || n[readText] >= 660 {
		t.Fatalf("waiting by rank: %v", n)
	}
	if s := stats(t, b); s.Dropped["record"] != uint64(660-n[readText]) || s.Dropped["image"] != 120 || s.Bytes > c.MaxBytes {
		t.Errorf("stats %+v with %v waiting", s, n)
	}
	if info, err := os.Stat(b.databasePath()); err != nil || info.Size() > 2*c.MaxBytes {
		t.Errorf("the database has %d bytes, %v", info.Size(), err)
	}

	// Hits push out all the rest, and then the buffer says that it is full.
	var err error
	hits := 1
	for ; err == nil; hits++ {
		_, err = b.Append(hit(c.Clock, "HIT"))
	}
	hits--
	if n = count(t, b); !errors.Is(err, ErrFull) || n != [ranks]int{hitText: hits, hitImage: 2 * hits} || hits < 15 {
		t.Errorf("%v after %d hits; waiting by rank: %v", err, hits, n)
	}
	if _, err := b.Append(read(c.Clock, "READ")); !errors.Is(err, ErrFull) {
		t.Errorf("a read was put into a buffer full of hits: %v", err)
	}

	// One receipt makes room again.
	for _, i := range queue(t, b)[:hits] {
		if err := b.ask(&request{removes: []itemID{i.id}}); err != nil {
			t.Fatal(err)
		}
	}
	add(t, b, text(hit(c.Clock, "HIT")))
}

func TestDropsAreReportedToCentralOnce(t *testing.T) {
	c := config(t)
	c.MaxBytes = minBytes
	b := open(t, c)
	addMany(t, b, 60, func() *nrd.Record { return read(c.Clock, "READ") })
	dropped := stats(t, b).Dropped["image"]
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, c)
	if got := stats(t, b).Dropped["image"]; got != dropped || got == 0 {
		t.Fatalf("reopening forgot drops: %d of %d", got, dropped)
	}
	for range 3 {
		if err := b.Tidy(); err != nil {
			t.Fatal(err)
		}
	}
	if s := stats(t, b); s.Events != 1 {
		t.Fatalf("%d events, want one", s.Events)
	}
	var e wire.Event
	if err := wire.Unmarshal(queue(t, b)[0].payload, &e); err != nil {
		t.Fatal(err)
	}
	key, err := wire.CheckEvent(&e)
	if err != nil || key.Sequence != 61 || e.GetDrop().GetKind() != "image" || e.GetDrop().GetCount() != dropped {
		t.Errorf("event %v, %v; want %d images", &e, err, dropped)
	}

	// While that waits, what is dropped adds up, however long it takes.
	for range 5 {
		addMany(t, b, 20, func() *nrd.Record { return read(c.Clock, "READ") })
		if err := b.Tidy(); err != nil {
			t.Fatal(err)
		}
	}
	if s := stats(t, b); s.Events != 1 {
		t.Errorf("%d events after more drops, want the one that waits", s.Events)
	}
	if err := b.ask(&request{removes: []itemID{queue(t, b)[0].id}, tidy: true}); err != nil {
		t.Fatal(err)
	}
	if err := wire.Unmarshal(queue(t, b)[0].payload, &e); err != nil {
		t.Fatal(err)
	}
	if all := stats(t, b).Dropped["image"]; all == dropped || e.GetDrop().GetCount() != all-dropped {
		t.Errorf("then %v, want the other %d images", &e, all-dropped)
	}
}

func TestReadsPastTheirAgeAreLetGoAndHitsAreNot(t *testing.T) {
	c := config(t)
	c.MaxAge = 7 * 24 * time.Hour
	clock := manual(c)
	b := open(t, c)
	unproved := read(clock, "UNPROVED")
	unproved.Captured.Proved = false
	unproved.Captured.UTC = time.Date(1970, 1, 1, 0, 1, 0, 0, time.UTC)
	add(t, b, unproved)
	add(t, b, read(clock, "OLD"))
	add(t, b, hit(clock, "HIT"))
	clock.advance(5 * 24 * time.Hour)
	add(t, b, text(read(clock, "NEW")))
	tidy := func() (n [ranks]int) {
		t.Helper()
		if err := b.Tidy(); err != nil {
			t.Fatal(err)
		}
		n = count(t, b)
		n[hitText] -= stats(t, b).Events
		return n
	}
	clock.advance(2 * 24 * time.Hour)
	if n := tidy(); n != [ranks]int{1, 2, 3, 4} {
		t.Errorf("on the seventh day: %v", n)
	}
	clock.advance(24 * time.Hour)
	if n := tidy(); n != [ranks]int{1, 2, 2, 2} {
		t.Errorf("on the eighth day: %v", n)
	}
	if d := stats(t, b).Dropped; d["record"] != 1 || d["image"] != 2 {
		t.Errorf("dropped: %v", d)
	}
	clock.advance(30 * 365 * 24 * time.Hour)
	add(t, b, text(read(clock, "FUTURE"))) // the clock went wrong, and is put right
	clock.advance(-30 * 365 * 24 * time.Hour)
	add(t, b, text(read(clock, "NOW")))
	clock.advance(9 * 24 * time.Hour)
	if n := tidy(); n != [ranks]int{1, 2, 2, 2} {
		t.Errorf("with one from the future before the old ones: %v", n)
	}
	clock.advance(-30 * 365 * 24 * time.Hour)
	if n := tidy(); n != [ranks]int{1, 2, 2, 2} {
		t.Errorf("with the clock before everything: %v", n)
	}
}

func TestDeadLettersOfReadsMakeRoomBeforeLiveOnes(t *testing.T) {
	c := config(t)
	c.MaxBytes = minBytes
	b := open(t, c)
	for range 10 {
		add(t, b, read(c.Clock, "DEAD"))
	}
	var all []burial
	for _, i := range queue(t, b) {
		all = append(all, burial{i.id, "no"})
	}
	if err := b.ask(&request{buries: all}); err != nil {
		t.Fatal(err)
	}
	for stats(t, b).DeadLetters == 30 {
		add(t, b, read(c.Clock, "LIVE"))
	}
	if n := count(t, b); n[readText]*2 != n[readImage] {
		t.Errorf("live images went before dead ones: %v", n)
	}
	addMany(t, b, 100, func() *nrd.Record { return read(c.Clock, "LIVE") })
	if s := stats(t, b); s.DeadLetters != 10 {
		t.Errorf("%d dead letters; want the text of ten", s.DeadLetters)
	}
}

func TestTheRoomOfImagesIsKeptForTheNextUnlessSomethingWasLetGo(t *testing.T) {
	c := config(t)
	b := open(t, c)
	all := func() (ids []itemID) {
		for _, i := range queue(t, b) {
			ids = append(ids, i.id)
		}
		return ids
	}
	addMany(t, b, 300, func() *nrd.Record { return read(c.Clock, "READ") })
	if err := b.ask(&request{removes: all()}); err != nil {
		t.Fatal(err)
	}
	if b.images.spare == nil {
		t.Fatal("the room of no file is kept")
	}
	kept := onDisk(t, c)
	add(t, b, read(c.Clock, "PURGED"))
	if err := b.ask(&request{purge: &purge{bucket: bucketItems, ids: all(), reason: "wrong vehicle"}}); err != nil {
		t.Fatal(err)
	}
	if got := onDisk(t, c); b.images.spare != nil || got > kept-segmentMost/2 {
		t.Errorf("%d bytes of images are still on disk, %d were", got, kept)
	}
}

func TestAFileOfImagesIsBegunWhereTheSpareOneIsGone(t *testing.T) {
	c := config(t)
	b := open(t, c)
	addMany(t, b, 300, func() *nrd.Record { return read(c.Clock, "READ") })
	var ids []itemID
	for _, i := range queue(t, b) {
		ids = append(ids, i.id)
	}
	if err := b.ask(&request{removes: ids}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(b.images.path(b.images.spare.number)); err != nil {
		t.Fatal(err)
	}
	addMany(t, b, 300, func() *nrd.Record { return read(c.Clock, "READ") })
	if n := count(t, b); n[readText] != 300 || n[readImage] != 600 {
		t.Errorf("kept are %v", n)
	}
}

func TestALongBacklogGivesItsDiskBack(t *testing.T) {
	c := config(t)
	b := open(t, c)
	addMany(t, b, 300, func() *nrd.Record { return read(c.Clock, "READ") })
	if onDisk(t, c) < 300*20<<10 {
		t.Fatalf("the backlog is only %d bytes", onDisk(t, c))
	}
	var ids []itemID
	for _, i := range queue(t, b) {
		ids = append(ids, i.id)
	}
	if err := b.ask(&request{removes: ids}); err != nil {
		t.Fatal(err)
	}
	if got := onDisk(t, c); got > segmentMost*3/2 {
		t.Errorf("%d bytes of images are still on disk", got) // one file's room is kept for the next
	}
	open, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range open {
		if to, err := os.Readlink(fd); err == nil && strings.HasPrefix(to, c.Dir) && strings.HasSuffix(to, " (deleted)") {
			t.Errorf("%s keeps its room: it is still open", to)
		}
	}
}
