package uplink

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"nrd"
	"nrd/internal/sealed"
	"nrd/uplink/wire"
)

// subject is a buffer under the contract, and what befalls it between two steps.
type subject struct {
	*testing.T
	config BufferConfig
	b      *Buffer
	befall func(s *subject)
}

// next is a step's end.
func (s *subject) next() { s.Helper(); s.befall(s) }

func (s *subject) reopen() {
	s.Helper()
	if err := s.b.Close(); err != nil {
		s.Fatal(err)
	}
	s.b = open(s, s.config)
}

// fates are what a buffer must keep its contract through.
var fates = map[string]struct {
	prepare func(t *testing.T, c BufferConfig)
	befall  func(s *subject)
}{
	"one long run":  {befall: func(*subject) {}},
	"a start a day": {befall: (*subject).reopen},
	"a kill between any two steps": {befall: func(s *subject) {
		s.Helper()
		left := filepath.Join(s.TempDir(), "left")
		if err := os.CopyFS(left, os.DirFS(s.config.Dir)); err != nil {
			s.Fatal(err)
		}
		s.config.Dir = left
		s.b = open(s, s.config)
	}},
	"a new machine key each time": {befall: func(s *subject) {
		s.Helper()
		next := sealed.NewKey()
		if err := s.b.Rekey(next); err != nil {
			s.Fatal(err)
		}
		old := s.config.Key
		s.config.Key = next
		s.reopen()
		if err := s.b.Close(); err != nil {
			s.Fatal(err)
		}
		c := s.config
		c.Key = old
		if _, err := OpenBuffer(c); !errors.Is(err, ErrKey) {
			s.Fatalf("the old machine key: %v, want ErrKey", err)
		}
		s.b = open(s, s.config)
	}},
	"a beginning in format 1": {
		prepare: func(t *testing.T, c BufferConfig) { makeFormat1(t, c, 0) },
		befall:  (*subject).reopen,
	},
}

// clauses are the contract.
var clauses = map[string]func(s *subject){
	"what Append returned is there, as it was": func(s *subject) {
		r := hit(s.config.Clock, "AB12CDE")
		key := add(s, s.b, r)
		s.next()
		items := queue(s, s.b)
		if len(items) != 3 || recordOf(s, items[0]).Key != key || recordOf(s, items[0]).Read.VRM != "AB12CDE" || !reflect.DeepEqual(imageOf(s, items[2]), r.Overview) {
			s.Errorf("%d items", len(items))
		}
		if n := stats(s, s.b); n.Records != 1 || n.Images != 2 {
			s.Errorf("stats %+v", n)
		}
	},
	"no key is given out twice": func(s *subject) {
		seen := map[nrd.Key]bool{}
		for range 4 {
			key := add(s, s.b, text(read(s.config.Clock, "READ")))
			if seen[key] {
				s.Errorf("%v was given out twice", key)
			}
			seen[key] = true
			if err := s.b.ask(&request{removes: []itemID{queue(s, s.b)[0].id}}); err != nil {
				s.Fatal(err)
			}
			s.next()
		}
	},
	"what is removed stays away, what is set aside stays there": func(s *subject) {
		first, second := add(s, s.b, read(s.config.Clock, "READ1")), add(s, s.b, hit(s.config.Clock, "HIT2"))
		s.next()
		if err := s.b.ask(&request{
			removes: []itemID{{readText, first.Sequence, partRecord}, {readImage, first.Sequence, partPatch}},
			buries:  []burial{{itemID{hitText, second.Sequence, partRecord}, "central says no"}},
		}); err != nil {
			s.Fatal(err)
		}
		s.next()
		if got := marks(s, queue(s, s.b)); !reflect.DeepEqual(got, []string{
			fmt.Sprintf("patch %d", second.Sequence), fmt.Sprintf("overview %d", second.Sequence), fmt.Sprintf("overview %d", first.Sequence),
		}) {
			s.Errorf("waiting: %v", got)
		}
		letters, err := s.b.DeadLetters()
		if want := []DeadLetter{{second, "record", "central says no"}}; err != nil || !reflect.DeepEqual(letters, want) {
			s.Errorf("dead letters %+v, %v", letters, err)
		}
	},
	"hits go first, and text before images": func(s *subject) {
		for _, r := range []*nrd.Record{read(s.config.Clock, "READ1"), hit(s.config.Clock, "HIT2"), read(s.config.Clock, "READ3"), hit(s.config.Clock, "HIT4")} {
			add(s, s.b, r)
			s.next()
		}
		var ranks []rank
		for _, i := range queue(s, s.b) {
			ranks = append(ranks, i.id.rank)
		}
		if want := []rank{0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 3, 3}; !reflect.DeepEqual(ranks, want) {
			s.Errorf("ranks %v", ranks)
		}
	},
	"a full buffer drops in the promised order and counts every drop": func(s *subject) {
		reads, hits := 0, 0
		balance := func() {
			s.Helper()
			n, d := count(s, s.b), stats(s, s.b)
			if n[hitText]-d.Events != hits || n[hitImage] != 2*hits || n[readText]+int(d.Dropped["record"]) != reads || n[readImage]+int(d.Dropped["image"]) != 2*reads {
				s.Fatalf("of %d reads and %d hits there wait %v, dropped %v", reads, hits, n, d.Dropped)
			}
			if n[readImage] > 0 && d.Dropped["record"] > 0 {
				s.Fatalf("a read went before all images: %v, %v", n, d.Dropped)
			}
			if d.Bytes > s.config.MaxBytes {
				s.Fatalf("%d bytes are taken up of %d", d.Bytes, s.config.MaxBytes)
			}
		}
		for range 3 {
			for range 15 {
				add(s, s.b, read(s.config.Clock, "READ"))
				reads++
			}
			balance()
			s.next()
			balance()
		}
		for {
			if _, err := s.b.Append(hit(s.config.Clock, "HIT")); errors.Is(err, ErrFull) {
				break
			} else if err != nil {
				s.Fatal(err)
			}
			hits++
		}
		balance()
		if !stats(s, s.b).Full || count(s, s.b)[readText] != 0 || hits < 15 {
			s.Errorf("full after %d hits: %+v, %v", hits, stats(s, s.b), count(s, s.b))
		}
		s.next()
		balance()
		if got := stats(s, s.b).Dropped["refused"]; got != 1 {
			s.Errorf("%d refused records are counted, want 1", got)
		}
		if err := s.b.Tidy(); err != nil {
			s.Fatal(err)
		}
		told := map[string]uint64{}
		for _, i := range queue(s, s.b) {
			var e wire.Event
			if i.id.part == partEvent && wire.Unmarshal(i.payload, &e) == nil {
				told[e.GetDrop().GetKind()] += e.GetDrop().GetCount()
			}
		}
		if want := stats(s, s.b).Dropped; !reflect.DeepEqual(told, want) {
			s.Errorf("central is told of %v, want %v", told, want)
		}
	},
	"central is told of each drop once": func(s *subject) {
		for range 60 {
			add(s, s.b, read(s.config.Clock, "READ"))
		}
		s.next()
		dropped := stats(s, s.b).Dropped["image"]
		for range 2 {
			if err := s.b.Tidy(); err != nil {
				s.Fatal(err)
			}
			s.next()
		}
		told := uint64(0)
		for _, i := range queue(s, s.b) {
			var e wire.Event
			if i.id.part == partEvent && wire.Unmarshal(i.payload, &e) == nil {
				told += e.GetDrop().GetCount()
			}
		}
		if dropped == 0 || told != dropped {
			s.Errorf("%d dropped, %d told", dropped, told)
		}
	},
	"reads past their age go, hits stay": func(s *subject) {
		clock := manual(s.config)
		add(s, s.b, read(clock, "OLD"))
		add(s, s.b, hit(clock, "HIT"))
		clock.advance(9 * 24 * time.Hour)
		add(s, s.b, read(clock, "NEW"))
		s.next()
		if err := s.b.Tidy(); err != nil {
			s.Fatal(err)
		}
		s.next()
		if n, d := count(s, s.b), stats(s, s.b); n[readText] != 1 || n[hitText]-d.Events != 1 || d.Dropped["record"] != 1 || d.Dropped["image"] != 2 {
			s.Errorf("waiting %v, dropped %v", n, d.Dropped)
		}
	},
	"a person's purge is counted and told with its reason": func(s *subject) {
		add(s, s.b, hit(s.config.Clock, "HIT"))
		add(s, s.b, read(s.config.Clock, "READ"))
		s.next()
		if records, images, err := s.b.Purge("the unit is sold", false); err != nil || records != 2 || images != 4 {
			s.Errorf("%d records, %d images, %v", records, images, err)
		}
		s.next()
		n, d := queue(s, s.b), stats(s, s.b)
		if len(n) != 2 || d.Events != 2 || d.Dropped["record"] != 2 || d.Dropped["image"] != 4 {
			s.Errorf("%d items wait, %+v", len(n), d)
		}
		var e wire.Event
		if err := wire.Unmarshal(n[0].payload, &e); err != nil || e.GetDrop().GetReason() != "purged on the unit: the unit is sold" {
			s.Errorf("%v, %v", &e, err)
		}
	},
}

func TestTheContractHoldsThroughEveryFate(t *testing.T) {
	for fate, f := range fates {
		for clause, check := range clauses {
			t.Run(fate+"/"+clause, func(t *testing.T) {
				t.Parallel()
				c := config(t)
				c.MaxBytes, c.MaxAge = minBytes, 7*24*time.Hour
				if f.prepare != nil {
					f.prepare(t, c)
				}
				check(&subject{T: t, config: c, b: open(t, c), befall: f.befall})
			})
		}
	}
}

func TestABufferOfFormat1GoesOn(t *testing.T) {
	c := config(t)
	last := makeFormat1(t, c, 5)
	for range 2 { // the second time in format 2
		b := open(t, c)
		items := queue(t, b)
		if len(items) != 14 || recordOf(t, items[4]).Read.VRM != "OLD5" || !reflect.DeepEqual(imageOf(t, items[13]), overview()) {
			t.Fatalf("%d items", len(items))
		}
		letters, err := b.DeadLetters()
		if err != nil || len(letters) != 1 || letters[0].Kind != "patch" || letters[0].Reason != "refused" {
			t.Errorf("dead letters %+v, %v", letters, err)
		}
		if s := stats(t, b); s.Dropped["record"] != 1 || s.Dropped["image"] != 4 {
			t.Errorf("dropped %v", s.Dropped)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	b := open(t, c)
	if key := add(t, b, read(c.Clock, "NEW")); key.Epoch != last.Epoch || key.Sequence <= last.Sequence+5 {
		t.Errorf("after %v, with five numbers given out beyond it, came %v", last, key)
	}
	other := c
	other.Dir, other.Key = filepath.Join(t.TempDir(), "b"), sealed.NewKey()
	makeFormat1(t, other, 1)
	other.Key = sealed.NewKey()
	if _, err := OpenBuffer(other); !errors.Is(err, ErrKey) {
		t.Errorf("under another key: %v", err)
	}
}

func TestTheDatabaseGivesItsRoomBack(t *testing.T) {
	c := config(t)
	c.compactFrom = 256 << 10
	b := open(t, c)
	addMany(t, b, 1000, func() *nrd.Record { return text(read(c.Clock, "TEXT")) })
	reopened := func() int64 {
		t.Helper()
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		b = open(t, c)
		info, err := os.Stat(b.databasePath())
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	full := reopened()
	var ids []itemID
	for _, i := range queue(t, b)[10:] {
		ids = append(ids, i.id)
	}
	if err := b.ask(&request{removes: ids}); err != nil {
		t.Fatal(err)
	}
	if left := reopened(); full < 1<<20 || left > full/4 {
		t.Errorf("of %d bytes %d are left for ten records", full, left)
	}
	if n := len(queue(t, b)); n != 10 {
		t.Errorf("%d records of 10 are left", n)
	}
	// While it works, too.
	addMany(t, b, 1000, func() *nrd.Record { return text(read(c.Clock, "TEXT")) })
	for range 3 {
		ids = nil
		for _, i := range queue(t, b) {
			ids = append(ids, i.id)
		}
		if err := b.ask(&request{removes: ids}); err != nil {
			t.Fatal(err)
		}
		addMany(t, b, 400, func() *nrd.Record { return text(read(c.Clock, "TEXT")) })
	}
	if info, err := os.Stat(b.databasePath()); err != nil || info.Size() > full {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
}

func TestADamagedJournalCostsOnlyTheDamagedRecord(t *testing.T) {
	c := config(t)
	b := open(t, c)
	var keys []nrd.Key
	for range 5 {
		keys = append(keys, add(t, b, text(read(c.Clock, "READ"))))
	}
	at := b.journal.end * 2 / 5 // in the middle of the third of five like frames
	left := c
	left.Dir = filepath.Join(t.TempDir(), "left")
	if err := os.CopyFS(left.Dir, os.DirFS(c.Dir)); err != nil {
		t.Fatal(err)
	}
	rewrite(t, filepath.Join(left.Dir, "journal"), func(data []byte) []byte { data[at+300] ^= 1; return data })
	b = open(t, left)
	items, letters := setAside(t, b)
	if len(items) != 4 || len(letters) != 1 || letters[0].Key != keys[2] {
		t.Errorf("%d items, %+v", len(items), letters)
	}
}

func TestOneDamagedKeyFileCostsNothing(t *testing.T) {
	for _, name := range keyFiles {
		c := config(t)
		b := open(t, c)
		add(t, b, read(c.Clock, "READ"))
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		rewrite(t, filepath.Join(c.Dir, name), func(data []byte) []byte { data[20] ^= 1; return data })
		if n := len(queue(t, open(t, c))); n != 3 {
			t.Errorf("%s: %d items", name, n)
		}
		if !sameFiles(c.Dir) {
			t.Errorf("%s was not repaired", name)
		}
	}
}

func FuzzJournal(f *testing.F) {
	j := &journal{generation: 3}
	body := appendChange(nil, change{1, []byte("key"), []byte("value")})
	f.Add(append(j.header(body), body...))
	f.Fuzz(func(t *testing.T, data []byte) {
		for at := range data {
			frame, ok := parseFrame(data, int64(at))
			if !ok {
				continue
			}
			changes, _ := parseChanges(frame.body)
			for _, c := range changes {
				if len(c.key)+len(c.value) > len(data) {
					t.Error("a change is longer than the file")
				}
			}
		}
		changes, _ := parseChanges(data)
		for _, c := range changes {
			if got, lost := parseChanges(appendChange(nil, c)); lost != 0 || len(got) != 1 || string(got[0].key) != string(c.key) || string(got[0].value) != string(c.value) {
				t.Errorf("%+v came back as %+v", c, got)
			}
		}
	})
}

func FuzzKeyFile(f *testing.F) {
	f.Add([]byte{0, 3, 'b', 'o', 'x', 0, 9, 'x'})
	f.Fuzz(func(t *testing.T, data []byte) {
		n := 0
		for _, box := range parseBoxes(data) {
			n += 2 + len(box)
		}
		if n > len(data) {
			t.Errorf("%d bytes of %d", n, len(data))
		}
	})
}
