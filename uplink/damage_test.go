package uplink

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"nrd"
)

// rewrite changes a closed buffer's file.
func rewrite(t *testing.T, path string, change func(data []byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

// imageFile gives the path of a buffer's only image file.
func imageFile(t *testing.T, c BufferConfig) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(c.Dir, "images", "*"))
	if err != nil || len(names) != 1 {
		t.Fatalf("image files %v, %v; want one", names, err)
	}
	return names[0]
}

// setAside sends what can be read and sets the rest aside, as the client does.
func setAside(t *testing.T, b *Buffer) (items []item, letters []DeadLetter) {
	t.Helper()
	items, damaged, err := b.next([ranks]int{1000, 1000, 1000, 1000}, func(itemID) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	if err := b.ask(&request{buries: damaged}); err != nil {
		t.Fatal(err)
	}
	letters, err = b.DeadLetters()
	if err != nil {
		t.Fatal(err)
	}
	return items, letters
}

// three gives a closed buffer with three reads and a sealed value of the second.
func three(t *testing.T) (c BufferConfig, second nrd.Key, value []byte) {
	t.Helper()
	c = config(t)
	b := open(t, c)
	add(t, b, read(c.Clock, "READ1"))
	second = add(t, b, read(c.Clock, "READ2"))
	add(t, b, read(c.Clock, "READ3"))
	err := b.view(func(tx *bbolt.Tx) error {
		value = bytes.Clone(tx.Bucket(bucketItems).Get(itemID{readText, second.Sequence, partRecord}.bytes()))
		return nil
	})
	if err != nil || b.Close() != nil {
		t.Fatal(err)
	}
	return c, second, value
}

func TestADamagedRecordIsSetAsideAndTheRestGoesOn(t *testing.T) {
	c, second, value := three(t)
	path := filepath.Join(c.Dir, "buffer.db")
	rewrite(t, path, func(data []byte) []byte {
		for at := 0; ; {
			next := bytes.Index(data[at:], value)
			if next < 0 {
				return data
			}
			at += next + len(value)
			data[at-10] ^= 1
		}
	})
	b := open(t, c)
	items, letters := setAside(t, b)
	if len(items) != 8 || len(letters) != 1 || letters[0].Key != second || letters[0].Kind != "record" || !strings.Contains(letters[0].Reason, "damaged") {
		t.Errorf("%d items and %+v; want all but the second record's text", len(items), letters)
	}
	if items, _ := setAside(t, b); len(items) != 8 {
		t.Errorf("%d items the second time", len(items))
	}
	if s := stats(t, b); s.Records != 2 || s.DeadLetters != 1 {
		t.Errorf("stats: %+v", s)
	}
}

func TestADamagedImageIsSetAsideAndItsRecordGoesOn(t *testing.T) {
	for name, c := range map[string]struct {
		change func(data []byte) []byte
		dead   int
	}{
		"a changed byte": {func(d []byte) []byte { d[len(d)/2] ^= 1; return d }, 1},
		"a torn end":     {func(d []byte) []byte { return d[:len(d)-5] }, 1},
		"an empty file":  {func([]byte) []byte { return nil }, 6},
	} {
		t.Run(name, func(t *testing.T) {
			conf, _, _ := three(t)
			rewrite(t, imageFile(t, conf), c.change)
			b := open(t, conf)
			items, letters := setAside(t, b)
			if len(items) != 9-c.dead || len(letters) != c.dead {
				t.Errorf("%d items and %d dead letters, want %d", len(items), len(letters), c.dead)
			}
			if s := stats(t, b); s.Records != 3 {
				t.Errorf("stats: %+v", s)
			}
			add(t, b, read(conf.Clock, "READ4"))
		})
	}
	conf, _, _ := three(t)
	if err := os.Remove(imageFile(t, conf)); err != nil {
		t.Fatal(err)
	}
	if items, letters := setAside(t, open(t, conf)); len(items) != 3 || len(letters) != 6 {
		t.Errorf("without the file: %d items and %d dead letters", len(items), len(letters))
	}
}

func TestAnItemInAnothersPlaceIsNotBelieved(t *testing.T) {
	c, _, value := three(t)
	b := open(t, c)
	err := b.update(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketItems).Put(itemID{readText, 1, partRecord}.bytes(), value)
	})
	if err != nil {
		t.Fatal(err)
	}
	if items, letters := setAside(t, b); len(items) != 8 || len(letters) != 1 || letters[0].Key.Sequence != 1 {
		t.Errorf("%d items, dead letters %+v", len(items), letters)
	}
}

func TestOfADamagedDatabaseWhatIsGenuineIsTakenOver(t *testing.T) {
	page := os.Getpagesize()
	fill := func(data []byte, from, to int) []byte {
		for n := from * page; n < min(to*page, len(data)); n++ {
			data[n] = 0xff
		}
		return data
	}
	for name, c := range map[string]struct {
		change func(data []byte) []byte
		least  int // records that must still be there
	}{
		"no header":       {func(d []byte) []byte { return fill(d, 0, 2) }, 40},
		"no third page":   {func(d []byte) []byte { return fill(d, 2, 3) }, 30},
		"no fourth page":  {func(d []byte) []byte { return fill(d, 3, 4) }, 30},
		"half of it":      {func(d []byte) []byte { return d[:len(d)/2/page*page] }, 0},
		"not even a page": {func(d []byte) []byte { return d[:1000] }, 0},
		"another file":    {func([]byte) []byte { return bytes.Repeat([]byte("x"), 100000) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			conf := config(t)
			b := open(t, conf)
			var last nrd.Key
			for n := range 40 {
				last = add(t, b, read(conf.Clock, nrd.VRM(fmt.Sprintf("READ%d", n))))
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			rewrite(t, filepath.Join(conf.Dir, "buffer.db"), c.change)
			b = open(t, conf)
			records := 0
			items, letters := setAside(t, b)
			for _, i := range items {
				if i.id.part == partRecord {
					records++
					if r := recordOf(t, i); string(r.Read.VRM) != fmt.Sprintf("READ%d", r.Key.Sequence-1) || r.Key != b.keyOf(i.id) {
						t.Errorf("%v came back as %+v", i.id, r)
					}
				}
			}
			if info, err := os.Stat(b.damagedPath()); err != nil || stats(t, b).Bytes < info.Size() {
				t.Errorf("the file that was set aside is not counted: %v, %+v", err, stats(t, b))
			}
			t.Logf("%d of 40 records, %d of 120 items, %d set aside", records, len(items), len(letters))
			if records < c.least {
				t.Errorf("only %d of 40 records were taken over", records)
			}
			key := add(t, b, read(conf.Clock, "NEW"))
			if key.Epoch == last.Epoch && key.Sequence <= last.Sequence {
				t.Errorf("after %v the buffer gave out %v", last, key)
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			if got := len(queue(t, open(t, conf))); got != len(items)+3 {
				t.Errorf("%d items after another start, want %d", got, len(items)+3)
			}
		})
	}
}

func TestALongBacklogIsTakenOverFromADamagedDatabase(t *testing.T) {
	c := config(t)
	b := open(t, c)
	const records = rebuildSome + 200
	addMany(t, b, records, func() *nrd.Record { return text(read(c.Clock, "READ")) })
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	rewrite(t, b.databasePath(), func(d []byte) []byte { clear(d[:2*os.Getpagesize()]); return d })
	if s := stats(t, open(t, c)); s.Records != records {
		t.Errorf("%d records are there, want %d", s.Records, records)
	}
}

func TestADatabaseThatWasSetAsideGoesWhenItsRoomIsNeeded(t *testing.T) {
	c := config(t)
	c.MaxBytes = minBytes
	b := open(t, c)
	for range 3 {
		add(t, b, read(c.Clock, "READ"))
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		rewrite(t, b.databasePath(), func(d []byte) []byte { clear(d[:2*os.Getpagesize()]); return d })
		b = open(t, c)
		if found, err := filepath.Glob(b.databasePath() + ".*"); err != nil || len(found) != 1 {
			t.Fatalf("beside the database there are %q, %v; want the newest that was set aside", found, err)
		}
	}
	for stats(t, b).Dropped["image"] == 0 {
		if s := stats(t, b); s.Bytes > c.MaxBytes {
			t.Fatalf("it takes %d bytes of %d", s.Bytes, c.MaxBytes)
		}
		add(t, b, read(c.Clock, "READ"))
	}
	if _, err := os.Stat(b.damagedPath()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("images were dropped, and the damaged file is kept: %v", err)
	}
}

func TestRandomDamageNeverStopsTheBuffer(t *testing.T) {
	conf := config(t)
	b := open(t, conf)
	for range 20 {
		add(t, b, read(conf.Clock, "READ"))
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(conf.Dir, "buffer.db")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 1))
		data := bytes.Clone(good)
		for range 1 + rng.IntN(30) {
			data[rng.IntN(len(data))] = byte(rng.Uint32())
		}
		conf.Dir = filepath.Join(t.TempDir(), "buffer")
		if err := os.CopyFS(conf.Dir, os.DirFS(filepath.Dir(path))); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(conf.Dir, "buffer.db"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := OpenBuffer(conf)
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
			continue
		}
		setAside(t, b)
		add(t, b, read(conf.Clock, "NEW"))
		if err := b.Close(); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

func FuzzLeafElements(f *testing.F) {
	f.Add([]byte("................"))
	f.Add(append(make([]byte, 8), 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 'k', 'v'))
	f.Fuzz(func(t *testing.T, page []byte) {
		got, err := readPage(bytes.NewReader(page), 0, 4096)
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		leafElements(got, func(k, v []byte) {
			if len(k)+len(v) > len(page) {
				t.Errorf("a key of %d and a value of %d bytes in a page of %d", len(k), len(v), len(page))
			}
		})
	})
}

func FuzzStored(f *testing.F) {
	f.Add(itemID{readText, 1, partRecord}.bytes(), stored{day: 20000, box: []byte("box")}.bytes(itemID{}))
	id := itemID{hitImage, 7, partPatch}
	f.Add(id.bytes(), stored{day: 20000, ref: ref{1, 2, 3}}.bytes(id))
	f.Fuzz(func(t *testing.T, k, v []byte) {
		id, err := parseID(k)
		if err != nil {
			return
		}
		s, err := parseStored(id, v)
		if err == nil && (!bytes.Equal(id.bytes(), k) || !bytes.Equal(s.bytes(id), v)) {
			t.Errorf("%x: %x was read as %+v %+v", k, v, id, s)
		}
	})
}

func TestADamagedPlaceInTheJournalCostsNoOtherRecordAndIsCounted(t *testing.T) {
	for name, place := range map[string]func(j *journal) int64{
		"a frame's header":  func(j *journal) int64 { return j.end*2/5 + 5 },
		"a change's header": func(j *journal) int64 { return j.end*2/5 + frameHeader + 1 },
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t)
			b := open(t, c)
			for range 5 {
				add(t, b, text(read(c.Clock, "READ")))
			}
			at := place(b.journal)
			left := c
			left.Dir = filepath.Join(t.TempDir(), "left")
			if err := os.CopyFS(left.Dir, os.DirFS(c.Dir)); err != nil {
				t.Fatal(err)
			}
			rewrite(t, filepath.Join(left.Dir, "journal"), func(data []byte) []byte { data[at] ^= 1; return data })
			b = open(t, left)
			items, letters := setAside(t, b)
			stats, err := b.Stats()
			if err != nil || len(items)+int(stats.Dropped["damaged"]) != 5 || len(items) < 4 || len(letters) != 0 {
				t.Errorf("%d items, %+v set aside, %v counted as damaged, %v", len(items), letters, stats.Dropped, err)
			}
			if err := b.Tidy(); err != nil {
				t.Fatal(err)
			}
			stats, err = b.Stats()
			if want := 5 - len(items); err != nil || stats.Events != want {
				t.Errorf("%d events tell central, want %d: %v", stats.Events, want, err)
			}
		})
	}
}

func TestWhatIsDamagedInAJournalThatIsReadAgainIsCountedOnce(t *testing.T) {
	b := open(t, config(t))
	dropped := func() (d drops) {
		t.Helper()
		if err := json.Unmarshal(b.tx.Bucket(bucketMeta).Get(metaDropped), &d); err != nil {
			t.Fatal(err)
		}
		return d
	}
	// begins anew what the journal says, as when no checkpoint can be made.
	redo := func(frames ...frame) drops {
		t.Helper()
		if err := b.rewind(); err != nil {
			t.Fatal(err)
		}
		if err := b.redo(frames); err != nil {
			t.Fatal(err)
		}
		return dropped()
	}
	says := func(d drops) frame {
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		return frame{body: appendChange(nil, change{bucketNumber(bucketMeta), metaDropped, text}), whole: true}
	}
	b.state.Lock()
	defer b.state.Unlock()
	damaged := frame{body: []byte("no change at all")}
	once := redo(damaged)
	if once.Damaged != 1 || once.UnreportedDamaged != 1 {
		t.Fatalf("counted %+v", once)
	}
	later := once
	later.Records, later.UnreportedDamaged = 3, 0 // a read was dropped, and central told
	if again := redo(damaged, says(later)); again != later {
		t.Errorf("read again it is %+v, want %+v", again, later)
	}
	if d := redo(says(drops{Records: 2}), damaged); d.Damaged != 1 || d.Records != 2 {
		t.Errorf("damaged after drops were counted: %+v", d)
	}
	if d := redo(damaged, says(drops{Records: 2})); d.Damaged != 1 || d.Records != 2 {
		t.Errorf("damaged before drops were counted, by who knew nothing of it: %+v", d)
	}
	if d := redo(damaged, says(later), damaged); d.Damaged != 2 || d.UnreportedDamaged != 1 {
		t.Errorf("a second damage: %+v", d)
	}
}
