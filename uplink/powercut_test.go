package uplink

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"nrd"
	"nrd/internal/powercut"
	"nrd/internal/sealed"
)

// cutProgram tells the program under test which it is; cutSome is how many cuts
// the short form makes in each.
const (
	cutProgram = "UPLINK_TEST_POWERCUT_PROGRAM"
	cutSome    = 25
)

// The machine keys of the program under test: it begins with the first.
var cutKeys = []*sealed.Key{fixedKey(1), fixedKey(2)}

func fixedKey(n byte) *sealed.Key {
	raw, err := hex.DecodeString(strings.Repeat(fmt.Sprintf("%02x", n), 32))
	if err != nil {
		panic(err)
	}
	key, err := sealed.ParseKey(raw)
	if err != nil {
		panic(err)
	}
	return key
}

// cutConfig is a small buffer, so that few records come to checkpoints, full
// files of images and drops.
func cutConfig(disk string) BufferConfig {
	return BufferConfig{
		Dir: filepath.Join(disk, "data", "buffer"), Device: "car-7", Key: cutKeys[0], MaxBytes: minBytes,
		Clock: newClock(), Log: discard(), compactFrom: 64 << 10,
	}
}

// cutRun is the program under test: it says what it is about to do and what it
// was promised.
type cutRun struct {
	t      *testing.T
	disk   string
	config BufferConfig
	b      *Buffer
}

func (r *cutRun) say(format string, args ...any) {
	if err := powercut.Promise(r.disk, fmt.Sprintf(format, args...)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *cutRun) start() {
	var err error
	if r.b, err = OpenBuffer(r.config); err != nil {
		r.t.Fatal(err)
	}
}

func (r *cutRun) stop() {
	if err := r.b.Close(); err != nil {
		r.t.Fatal(err)
	}
}

// keep appends a record of which every part says whose it is.
func (r *cutRun) keep(rec *nrd.Record) {
	r.say("keeping %t %t", rec.IsHit(), len(rec.Patch.JPEG) > 0)
	key := add(r.t, r.b, rec)
	r.say("kept %d %t %t", key.Sequence, rec.IsHit(), len(rec.Patch.JPEG) > 0)
}

// answer does with the first waiting items of a rank what receipts would.
func (r *cutRun) answer(rank rank, n int, bury bool) {
	var q request
	for _, i := range queue(r.t, r.b) {
		if i.id.rank == rank && n > 0 {
			r.say("answering %x", i.id.bytes())
			if bury {
				q.buries = append(q.buries, burial{i.id, "refused"})
			} else {
				q.removes = append(q.removes, i.id)
			}
			n--
		}
	}
	if err := r.b.ask(&q); err != nil {
		r.t.Fatal(err)
	}
	for _, id := range q.removes {
		r.say("removed %x", id.bytes())
	}
	for _, bury := range q.buries {
		r.say("buried %x", bury.id.bytes())
	}
}

// cutPrograms are what happens to a buffer in its life.
var cutPrograms = map[string]func(r *cutRun){
	"append, receipts and dead letters": func(r *cutRun) {
		r.start()
		for range 3 {
			r.keep(read(r.config.Clock, "READ"))
			r.keep(hit(r.config.Clock, "HIT"))
			r.keep(text(read(r.config.Clock, "TEXT")))
			r.answer(hitText, 1, false)
			r.answer(readImage, 1, true)
		}
		r.stop()
		r.start()
		r.keep(read(r.config.Clock, "READ"))
		r.answer(hitImage, 6, false)
		r.answer(readText, 4, false)
		r.stop()
	},
	"drops when it is full": func(r *cutRun) {
		r.start()
		for range 3 {
			for range 12 {
				r.keep(read(r.config.Clock, "READ"))
			}
			r.keep(hit(r.config.Clock, "HIT"))
		}
		r.stop()
	},
	"the room of image files is used again": func(r *cutRun) {
		r.start()
		for range 4 {
			for range 3 {
				r.keep(read(r.config.Clock, "READ"))
			}
			r.answer(readText, 3, false)
			r.answer(readImage, 6, false)
		}
		for range 2 {
			r.keep(read(r.config.Clock, "READ"))
		}
		if last := r.b.images.last; last < 5 {
			r.t.Fatalf("only %d files of images were begun", last)
		}
		r.stop()
	},
	"checkpoints and compaction": func(r *cutRun) {
		r.start()
		for range 110 {
			r.keep(text(read(r.config.Clock, "TEXT")))
		}
		r.answer(readText, 105, false)
		r.stop()
		r.start()
		r.keep(hit(r.config.Clock, "HIT"))
		r.stop()
	},
	"a new machine key": func(r *cutRun) {
		r.start()
		r.keep(hit(r.config.Clock, "HIT"))
		r.say("rekeying")
		if err := r.b.Rekey(cutKeys[1]); err != nil {
			r.t.Fatal(err)
		}
		r.say("rekeyed")
		r.stop()
		r.config.Key = cutKeys[1]
		r.say("opening under the new key")
		r.start()
		r.say("opened under the new key")
		r.keep(read(r.config.Clock, "READ"))
		r.stop()
	},
	"a damaged database": func(r *cutRun) {
		r.start()
		for range 100 { // more than the journal still has
			r.keep(text(hit(r.config.Clock, "HIT")))
		}
		r.stop()
		db, err := os.OpenFile(r.b.databasePath(), os.O_RDWR, 0)
		if err == nil {
			_, err = db.WriteAt(make([]byte, 2*os.Getpagesize()), 0)
			err = errors.Join(err, db.Sync(), db.Close())
		}
		if err != nil {
			r.t.Fatal(err)
		}
		r.start()
		r.keep(hit(r.config.Clock, "HIT"))
		r.stop()
	},
	"a buffer of format 1": func(r *cutRun) {
		r.say("keeping old")
		makeFormat1(r.t, r.config, 3)
		for sequence := range 3 {
			r.say("kept %d false true", sequence+1)
		}
		r.start()
		r.keep(hit(r.config.Clock, "HIT"))
		r.stop()
	},
}

// TestPowerCutProgram is no test of its own: the next ones run it in a process
// whose disk they watch.
func TestPowerCutProgram(t *testing.T) {
	program := cutPrograms[os.Getenv(cutProgram)]
	if program == nil || powercut.Dir() == "" {
		return
	}
	r := &cutRun{t: t, disk: powercut.Dir()}
	r.config = cutConfig(r.disk)
	program(r)
}

// promised is what a program was told until the power went.
type promised struct {
	kept map[itemID]bool
	// maybe counts the items of the record that was being appended.
	maybe int
	// answered are items whose receipts were on their way; gone and buried are
	// those of which the buffer said so.
	answered, gone, buried map[itemID]bool
	keys                   []*sealed.Key
}

func readPromises(lines []string) (p promised, err error) {
	p = promised{kept: map[itemID]bool{}, answered: map[itemID]bool{}, gone: map[itemID]bool{}, buried: map[itemID]bool{}, keys: cutKeys[:1]}
	for _, line := range lines {
		words := strings.Fields(line)
		switch words[0] {
		case "keeping":
			if words[1] == "old" {
				p.maybe = 9
				continue
			}
			p.maybe = len(itemsOf(0, words[1] == "true", words[2] == "true"))
		case "kept":
			sequence, err := strconv.ParseUint(words[1], 10, 64)
			if err != nil {
				return p, err
			}
			for _, id := range itemsOf(sequence, words[2] == "true", words[3] == "true") {
				p.kept[id] = true
			}
			p.maybe = 0
		case "answering", "removed", "buried":
			raw, err := hex.DecodeString(words[1])
			if err != nil {
				return p, err
			}
			id, err := parseID(raw)
			if err != nil {
				return p, err
			}
			map[string]map[itemID]bool{"answering": p.answered, "removed": p.gone, "buried": p.buried}[words[0]][id] = true
		case "rekeyed":
			p.keys = cutKeys
		case "opening":
			p.keys = cutKeys[1:]
		}
	}
	return p, nil
}

func itemsOf(sequence uint64, isHit, images bool) []itemID {
	text, image := readText, readImage
	if isHit {
		text, image = hitText, hitImage
	}
	ids := []itemID{{text, sequence, partRecord}}
	if images {
		ids = append(ids, itemID{image, sequence, partPatch}, itemID{image, sequence, partOverview})
	}
	return ids
}

// keptPromises opens what a cut left under every key that must open it and says
// what is not as it was promised.
func keptPromises(disk string, lines []string) error {
	p, err := readPromises(lines)
	if err != nil {
		return err
	}
	for n, key := range p.keys {
		c := cutConfig(disk)
		if n+1 < len(p.keys) { // a look under the next key must find the same
			c.Dir += "-copy"
			if err := os.CopyFS(c.Dir, os.DirFS(cutConfig(disk).Dir)); err != nil {
				return err
			}
		}
		c.Key = key
		if err := p.check(c); err != nil {
			return fmt.Errorf("under key %d: %w", n+1, err)
		}
	}
	return nil
}

func (p promised) check(c BufferConfig) (err error) {
	if err := sealed.MakeDir(filepath.Dir(c.Dir)); err != nil {
		return err
	}
	b, err := OpenBuffer(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	waiting, dead, err := whatIsThere(b)
	if err != nil {
		return err
	}
	stats, err := b.Stats()
	if err != nil {
		return err
	}
	dropped := int(stats.Dropped["record"] + stats.Dropped["image"])
	missing, answered, unknown := 0, 0, 0
	for id := range p.kept {
		there := waiting[id] || dead[id]
		switch {
		case p.gone[id] && there:
			return fmt.Errorf("%v was removed and is back", id)
		case p.buried[id] && !dead[id] && (!id.rank.image() || dropped == 0):
			return fmt.Errorf("%v was set aside and is not there", id)
		case there || p.gone[id]:
		case p.answered[id]:
			answered++
		case id.rank.hit():
			return fmt.Errorf("the hit's %v is lost", id)
		default:
			missing++
		}
	}
	for id := range waiting {
		if !p.kept[id] {
			unknown++
		}
	}
	switch {
	case missing > dropped || dropped > missing+answered+p.maybe:
		return fmt.Errorf("%d items are missing, %d are counted as dropped", missing, dropped)
	case unknown != 0 && unknown != p.maybe:
		return fmt.Errorf("of a record that was not promised %d of %d parts are there", unknown, p.maybe)
	}
	key, err := b.Append(hit(c.Clock, "NEW"))
	if err != nil {
		return err
	}
	for id := range waiting {
		if id.sequence >= key.Sequence {
			return fmt.Errorf("the sequence %d was given out twice", key.Sequence)
		}
	}
	return nil
}

// whatIsThere gives the items that wait, all of them readable, and those set
// aside, none of them for damage.
func whatIsThere(b *Buffer) (waiting, dead map[itemID]bool, err error) {
	items, damaged, err := b.next([ranks]int{1e6, 1e6, 1e6, 1e6}, func(itemID) bool { return false })
	if err != nil || len(damaged) > 0 {
		return nil, nil, errors.Join(err, fmt.Errorf("damaged: %v", damaged))
	}
	waiting, dead = map[itemID]bool{}, map[itemID]bool{}
	for _, i := range items {
		waiting[i.id] = true
	}
	letters, err := b.DeadLetters()
	for _, l := range letters {
		if strings.Contains(l.Reason, "damaged") {
			return nil, nil, fmt.Errorf("set aside as damaged: %+v", l)
		}
		for _, r := range []rank{hitText, hitImage, readText, readImage} {
			dead[itemID{r, l.Key.Sequence, partOf(l.Kind)}] = true
		}
	}
	return waiting, dead, err
}

func TestAPowerCutCostsNothingThatWasPromised(t *testing.T) {
	for name := range cutPrograms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			some := cutSome
			if name == "a damaged database" {
				some = 1000 // the few steps that count are its last
			}
			for _, w := range powercut.Watch(t, "TestPowerCutProgram", cutProgram+"="+name).Check(t, some, keptPromises) {
				t.Error(w)
			}
		})
	}
}

// TestAnFsyncThatTheBufferLeavesOutIsNoticed plants bugs: the same program, as
// though it had left out fsyncs.
func TestAnFsyncThatTheBufferLeavesOutIsNoticed(t *testing.T) {
	trace := powercut.Watch(t, "TestPowerCutProgram", cutProgram+"=append, receipts and dead letters")
	for name, path := range map[string]func(string) bool{
		"of the journal":          func(p string) bool { return filepath.Base(p) == "journal" },
		"of files of images":      func(p string) bool { return strings.HasSuffix(p, segmentSuffix) },
		"of the folder of images": func(p string) bool { return filepath.Base(p) == "images" },
		"of the database":         func(p string) bool { return filepath.Base(p) == "buffer.db" },
		"of the buffer's folder":  func(p string) bool { return filepath.Base(p) == "buffer" },
	} {
		if !trace.Without(path).Catches(t, 1000, keptPromises) {
			t.Errorf("nobody notices when the fsync %s is left out", name)
		}
	}
}
