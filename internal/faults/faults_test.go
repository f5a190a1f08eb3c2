package main

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nrd"
	"nrd/collector/store"
	"nrd/internal/faults/generate"
	"nrd/uplink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWhatIsLaidOverTheSourcesFitsThem(t *testing.T) {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := overlay(strings.TrimSpace(string(root)), t.TempDir(), edits()); err != nil {
		t.Errorf("a source file was changed where the fault runs put something in; internal/faults must follow:\n%v", err)
	}
}

func TestTheSameSeedGivesTheSamePlan(t *testing.T) {
	first, second := mixed(7, 30).String(), mixed(7, 30).String()
	if first != second {
		t.Error("the plans of one seed differ")
	}
	if first == mixed(8, 30).String() {
		t.Error("two seeds give the same plan")
	}
}

func TestEachProgramHasCrashPoints(t *testing.T) {
	for _, program := range []string{"unit", "central"} {
		if n := len(names(program)); n < 8 {
			t.Errorf("the %s has %d crash points", program, n)
		}
	}
}

// ends is a world at its end, with records that were kept and stored.
func ends(t *testing.T, kept, stored int) (*world, *findings) {
	t.Helper()
	w := &world{seed: 1, books: newBooks()}
	f := newFindings()
	for n := range uint64(kept) {
		r := generate.Record(w.seed, n+1, nrd.Stamp{UTC: time.Date(2026, 11, 23, 8, 0, int(n), 0, time.UTC), Proved: true})
		r.Key = nrd.Key{Device: device, Epoch: 5, Sequence: n + 1}
		payload, err := generate.Payload(r)
		if err != nil {
			t.Fatal(err)
		}
		w.books.begun[n+1], w.books.kept[n+1], w.books.keys[r.Key.String()] = true, promise{r.Key.String(), payload}, n+1
		if int(n) < stored {
			f.store(r)
		}
	}
	return w, f
}

// store puts a record among what central holds.
func (f *findings) store(r *nrd.Record) {
	s := store.StoredRecord{Record: *r}
	for kind, image := range map[nrd.ImageKind]*nrd.Image{nrd.ImagePatch: &s.Patch, nrd.ImageOverview: &s.Overview} {
		if len(image.JPEG) > 0 {
			f.images[imageKey{r.Key, kind}] = *image
			f.totals.Images++
		}
		*image = nrd.Image{}
	}
	f.stored[r.Key] = append(f.stored[r.Key], s)
	f.totals.Records++
}

// letGo is a buffer that counts drops, has told central, and was about to let go
// of some records.
func letGo(w *world, f *findings, counts uint64, records ...uint64) {
	w.plan.quota = "2MB"
	f.stats.Dropped, f.reported = map[string]uint64{"record": counts}, map[string]uint64{"record": counts}
	for _, n := range records {
		w.books.line("dropped " + w.books.kept[n].key + " record")
	}
}

func TestTheVerdictKnowsEachWayToBreakThePromise(t *testing.T) {
	first := nrd.Key{Device: device, Epoch: 5, Sequence: 1}
	for _, c := range []struct {
		name, want string
		kept       int
		change     func(w *world, f *findings)
	}{
		{"all is well", "", 20, func(*world, *findings) {}},
		{"one is nowhere", "1 records were kept and are nowhere", 21, func(*world, *findings) {}},
		{"one is nowhere and counted", "", 21, func(w *world, f *findings) { letGo(w, f, 1, 21) }},
		{"one is nowhere and another was let go", "the buffer has not let go of them", 21, func(w *world, f *findings) { letGo(w, f, 1, 20) }},
		{"one was let go and two are counted", "the buffer counts 2 drops", 21, func(w *world, f *findings) { letGo(w, f, 2, 21) }},
		{"two were let go and one is counted", "the buffer counts 1 drops", 22, func(w *world, f *findings) { letGo(w, f, 1, 21, 22) }},
		{"a drop was meant and the power cut came before", "", 21, func(w *world, f *findings) { letGo(w, f, 1, 20, 21) }},
		{"a hit was let go", "hits are never let go", 26, func(w *world, f *findings) { letGo(w, f, 6, 21, 22, 23, 24, 25, 26) }},
		{"a newer one was let go before an older one", "the oldest go first", 21, func(w *world, f *findings) {
			w.plan.dropsFirst = true
			letGo(w, f, 1, 21)
		}},
		{"a read was let go while images were there", "images go first", 20, func(w *world, f *findings) {
			w.plan.dropsFirst, w.books.keptAtDrop = true, 20
		}},
		{"central does not know of a drop", "central was told of 0", 21, func(w *world, f *findings) {
			w.plan.quota = "2MB"
			f.stats.Dropped = map[string]uint64{"record": 1}
		}},
		{"a drop without need", "there was room", 21, func(_ *world, f *findings) {
			f.stats.Dropped, f.reported = map[string]uint64{"record": 1}, map[string]uint64{"record": 1}
		}},
		{"one is there twice", "is stored 2 times", 20, func(_ *world, f *findings) {
			f.stored[first] = append(f.stored[first], f.stored[first][0])
			f.totals.Records++
		}},
		{"one is another", "another content", 20, func(_ *world, f *findings) { f.stored[first][0].Read.Confidence ^= 1 }},
		{"one has a hit more", "another content", 20, func(_ *world, f *findings) { f.stored[first][0].Hits = []nrd.Hit{{}} }},
		{"one was never kept", "which was never kept", 20, func(_ *world, f *findings) {
			r := generate.Record(1, 99, nrd.Stamp{})
			r.Key = nrd.Key{Device: device, Epoch: 5, Sequence: 99}
			f.store(r)
		}},
		{"an image is nowhere", "images were kept and are nowhere", 20, func(_ *world, f *findings) {
			for key := range f.images {
				delete(f.images, key)
				f.totals.Images--
				return
			}
		}},
		{"an image has other bytes", "other bytes", 20, func(_ *world, f *findings) {
			for key := range f.images {
				f.images[key] = nrd.Image{JPEG: []byte("another")}
				return
			}
		}},
		{"one still waits", "still in the buffer", 20, func(_ *world, f *findings) { f.stats = uplink.Stats{Records: 1} }},
		{"damage that nobody did", "nobody has damaged it", 21, func(_ *world, f *findings) {
			f.dead[itemKey{nrd.Key{Device: device, Epoch: 5, Sequence: 21}.String(), "record"}] = "the bytes are damaged"
		}},
		{"a total that is not true", "central counts", 20, func(_ *world, f *findings) { f.totals.Records++ }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, f := ends(t, c.kept, 20)
			c.change(w, f)
			_, wrong := w.verdict(f)
			text := strings.Join(wrong, "\n")
			if c.want == "" && text != "" || !strings.Contains(text, c.want) {
				t.Errorf("wrong is %q, want %q", text, c.want)
			}
		})
	}
}

func TestAKeyThatIsGivenOutTwiceIsNoticed(t *testing.T) {
	b := newBooks()
	for _, line := range []string{"begin 1", "kept 1 unit-1/5/1 YQ==", "begin 2", "kept 2 unit-1/5/1 Yg==", "kept 3 cut off"} {
		b.line(line)
	}
	if len(b.wrong) != 1 || !strings.Contains(b.wrong[0], "given out twice") || len(b.kept) != 2 {
		t.Errorf("%q, %d kept", b.wrong, len(b.kept))
	}
}
