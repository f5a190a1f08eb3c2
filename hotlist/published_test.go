package hotlist

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"nrd"
	"nrd/hotlist/publication"
	"nrd/hotlist/voi"
	"nrd/internal/powercut"
	"nrd/internal/sealed"
)

// reference is what the entries of a version say.
func reference(version int) string { return fmt.Sprintf("VERSION %d", version) }

// versionLines are a list of so many entries of which every third says its
// version; the others never change.
func versionLines(t testing.TB, version, entries int) []string {
	t.Helper()
	var lines []string
	for n := range entries {
		e := nrd.Entry{VRM: mark(n), Priority: nrd.PriorityLow, Action: "low", Reason: "THE SAME", Reference: "R1"}
		if n%3 == 0 {
			e.Reason = reference(version)
		}
		line, err := voi.FormatLine(&e)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

// snapshotOf is a list's publication and its file.
func snapshotOf(t testing.TB, version int, lines []string) (publication.Publication, []byte) {
	t.Helper()
	return fileOf(t, publication.Publication{Version: uint64(version)}, lines, lines, nil)
}

// deltaOf makes lines of those of the version before.
func deltaOf(t testing.TB, version int, before, lines []string) (publication.Publication, []byte) {
	t.Helper()
	var out []string
	for _, l := range before {
		if _, kept := slices.BinarySearch(lines, l); !kept {
			out = append(out, l)
		}
	}
	var in []string
	for _, l := range lines {
		if _, was := slices.BinarySearch(before, l); !was {
			in = append(in, l)
		}
	}
	return fileOf(t, publication.Publication{Version: uint64(version), From: uint64(version - 1)}, lines, in, out)
}

func fileOf(t testing.TB, p publication.Publication, whole, in, out []string) (publication.Publication, []byte) {
	t.Helper()
	key := sealed.NewKey()
	p.List, p.Made, p.Key, p.Entries = "wanted", noon.Add(time.Duration(p.Version)*time.Minute-time.Hour), key.Bytes(), len(whole) //nolint:gosec // small
	for _, l := range whole {
		p.Content.Add([]byte(l))
	}
	var file bytes.Buffer
	w, err := publication.NewWriter(&file, key)
	if err != nil {
		t.Fatal(err)
	}
	plus := byte('+')
	if p.From == 0 {
		plus = 0
	}
	for _, l := range out {
		if err := w.Line('-', []byte(l)); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range in {
		if err := w.Line(plus, []byte(l)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	p.Text = w.Text
	return p, file.Bytes()
}

// take puts a publication in force.
func take(t testing.TB, c *Cache, p publication.Publication, file []byte) error {
	t.Helper()
	lines, err := p.Open(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Close()
	if p.From == 0 {
		return c.Replace(t.Context(), p, lines)
	}
	return c.Change(t.Context(), p, lines)
}

func TestADeltaThatDoesNotFitChangesNothing(t *testing.T) {
	u := newUnit(t)
	one, two := versionLines(t, 1, 300), versionLines(t, 2, 300)
	p, file := deltaOf(t, 2, one, two)
	if err := take(t, u.Cache, p, file); !errors.Is(err, ErrBase) {
		t.Errorf("without a list: %v", err)
	}
	first, snapshot := snapshotOf(t, 1, one)
	if err := take(t, u.Cache, first, snapshot); err != nil {
		t.Fatal(err)
	}
	for what, wrong := range map[string]struct{ before, after []string }{
		"an entry to be taken away that is not there":    {append(slices.Clone(one), "ZZ99ZZZ,,,,low,,,,,,,,,,,R1"), two},
		"an entry to be taken away that says otherwise":  {append(slices.Clone(one[1:]), string(mark(0))+",,,,low,,OTHER,,,,,,,,,R1"), two},
		"an entry to be put in that is there":            {one[1:], one},
		"a list that is not what the digest says it is":  {one, two[:299]},
		"lines that are no entries":                      {one, append(slices.Clone(two), "no entry")},
		"a delta of another version than the one before": {nil, nil},
	} {
		slices.Sort(wrong.before)
		p, file := deltaOf(t, 2, wrong.before, wrong.after)
		switch {
		case wrong.before == nil:
			p, file = deltaOf(t, 3, one, two)
		case len(wrong.after) == 299:
			p.Entries = 300
		}
		if err := take(t, u.Cache, p, file); !errors.Is(err, ErrBase) && !errors.Is(err, publication.ErrMalformed) {
			t.Errorf("%s: %v", what, err)
		}
		if err := checkPublished(u.Cache, 1, 300); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := take(t, u.Cache, p, file); err != nil {
		t.Fatal(err)
	}
	u.restart(func([]string) {})
	if err := checkPublished(u.Cache, 2, 300); err != nil {
		t.Error(err)
	}
	if err := take(t, u.Cache, first, snapshot); !errors.Is(err, ErrOlder) {
		t.Errorf("the snapshot of before: %v", err)
	}
}

func TestAnEntryThatADeltaPutsInIsMatchedAndOneThatItTakesAwayIsNot(t *testing.T) {
	u := newUnit(t)
	one := versionLines(t, 1, 300)
	first, snapshot := snapshotOf(t, 1, one)
	if err := take(t, u.Cache, first, snapshot); err != nil {
		t.Fatal(err)
	}
	two := slices.DeleteFunc(versionLines(t, 1, 301), func(l string) bool { return l == one[0] })
	p, file := deltaOf(t, 2, one, two)
	if err := take(t, u.Cache, p, file); err != nil {
		t.Fatal(err)
	}
	gone, _, _ := strings.Cut(one[0], ",")
	for range 2 {
		if hits, err := u.Match(mark(300)); err != nil || len(hits) != 1 {
			t.Errorf("the new one: %+v, %v", hits, err)
		}
		if hits, err := u.Match(nrd.VRM(gone)); err != nil || len(hits) != 0 {
			t.Errorf("the one taken away: %+v, %v", hits, err)
		}
		u.restart(func([]string) {})
	}
}

func TestADeltaThatChangesNoEntryIsFollowedByOthers(t *testing.T) {
	u := newUnit(t)
	one := versionLines(t, 1, 300)
	first, snapshot := snapshotOf(t, 1, one)
	if err := take(t, u.Cache, first, snapshot); err != nil {
		t.Fatal(err)
	}
	before := one
	for version := 2; version <= 5; version++ {
		lines := before
		if version == 4 {
			lines = versionLines(t, 4, 300)
		}
		p, file := deltaOf(t, version, before, lines)
		if err := take(t, u.Cache, p, file); err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		if held := u.Published()["wanted"].Version; held != uint64(version) {
			t.Fatalf("in force is version %d, want %d", held, version)
		}
		u.restart(func([]string) {})
		before = lines
	}
}

func TestWhatIsPendingHoldsAndAnImportKeepsIt(t *testing.T) {
	u := newUnit(t)
	one, two := versionLines(t, 1, 300), versionLines(t, 2, 300)
	first, snapshot := snapshotOf(t, 1, one)
	if err := take(t, u.Cache, first, snapshot); err != nil {
		t.Fatal(err)
	}
	l := u.lists["wanted"].(*entryList) //nolint:errcheck // no list of statuses
	p, file := deltaOf(t, 2, one, two)
	lines, err := p.Open(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Close()
	// As Change does, but nothing is brought into the entries: the disk is full, say.
	ch := &inPlace{ctx: t.Context(), list: l, next: u.aboutPublished(p, l.number()), digest: l.secrets.digest(l.Digest), content: l.Published.Content, entries: l.Entries}
	if err := ch.make(lines); err != nil {
		t.Fatal(err)
	}
	if err := l.update(func(tx *bbolt.Tx) error { return ch.write(tx, u.key) }); err != nil {
		t.Fatal(err)
	}
	l.header, l.pending = ch.next, ch.pending
	if err := checkPublished(u.Cache, 2, 300); err != nil {
		t.Error(err)
	}
	if err := l.verify(t.Context()); err != nil {
		t.Error(err)
	}
	const extra = "ZZ99ZZZ,,,,low,,ADDED,,,,,,,,,R1"
	added := u.file("a_wanted_I.dat", []byte(extra+"\n"))
	if err := os.Chtimes(added, noon, noon); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Import(t.Context(), "wanted", added); err != nil {
		t.Fatal(err)
	}
	for n := range 300 {
		want := "THE SAME"
		if n%3 == 0 {
			want = reference(2)
		}
		if hits, err := u.Match(mark(n)); err != nil || len(hits) != 1 || hits[0].Entry.Reason != want {
			t.Fatalf("after an import %s is %+v, %v, want %s", mark(n), hits, err, want)
		}
	}
}

func TestASnapshotThatIsNotTheListThatWasAnnouncedIsNotTaken(t *testing.T) {
	u := newUnit(t)
	one := versionLines(t, 1, 300)
	p, file := snapshotOf(t, 1, one)
	for what, spoil := range map[string]func(*publication.Publication){
		"another digest": func(p *publication.Publication) { p.Content[7]++ }, "another count": func(p *publication.Publication) { p.Entries++ },
	} {
		wrong := p
		spoil(&wrong)
		if err := take(t, u.Cache, wrong, file); !errors.Is(err, publication.ErrMalformed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if held := u.Published(); len(held) != 0 {
		t.Errorf("in force: %+v", held)
	}
}

// checkPublished looks for the whole of a version.
func checkPublished(c *Cache, version, entries int) error {
	held := c.Published()["wanted"]
	if held.Version != uint64(version) || held.Entries != entries { //nolint:gosec // small
		return fmt.Errorf("in force is version %d of %d entries, want %d of %d", held.Version, held.Entries, version, entries)
	}
	for n := range entries {
		want := "THE SAME"
		if n%3 == 0 {
			want = reference(version)
		}
		hits, err := c.Match(mark(n))
		if err != nil || len(hits) != 1 || hits[0].Entry.Reason != want || hits[0].List.Version != uint64(version) { //nolint:gosec // small
			return fmt.Errorf("%s is %+v, %w, want %s", mark(n), hits, err, want)
		}
	}
	return nil
}

// TestPowerCutSyncProgram is the program under test: a snapshot from central, two
// deltas, a snapshot again.
func TestPowerCutSyncProgram(t *testing.T) {
	disk := powercut.Dir()
	if disk == "" {
		return
	}
	pendingAtOnce = 15
	config, err := cutConfig(disk, Rule{})
	if err != nil {
		t.Fatal(err)
	}
	cache, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	before := versionLines(t, 1, 120)
	for version := 1; version <= 4; version++ {
		lines := versionLines(t, version, 120)
		p, file := snapshotOf(t, version, lines)
		if version == 2 || version == 3 {
			p, file = deltaOf(t, version, before, lines)
		}
		if err := take(t, cache, p, file); err != nil {
			t.Fatal(err)
		}
		if err := powercut.Promise(disk, fmt.Sprint(version)); err != nil {
			t.Fatal(err)
		}
		before = lines
	}
	if err := cache.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAfterAPowerCutAtAnyStepOfASyncOneWholeVersionIsInForce(t *testing.T) {
	trace := powercut.Watch(t, "TestPowerCutSyncProgram")
	for _, wrong := range trace.Check(t, 60, func(disk string, promises []string) (err error) {
		config, err := cutConfig(disk, Rule{})
		if err != nil {
			return err
		}
		cache, err := Open(config)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, cache.Close()) }()
		held := int(cache.Published()["wanted"].Version) //nolint:gosec // at most 4
		switch {
		case held == 0 && len(promises) == 0:
			return nil
		case held < len(promises):
			return fmt.Errorf("version %d was promised, in force is %d", len(promises), held)
		}
		return checkPublished(cache, held, 120)
	}) {
		t.Error(wrong)
	}
}

func TestReadsAreMatchedWhileTheListChangesAndNeverSeeHalfOfIt(t *testing.T) {
	pendingAtOnce = 7
	defer func() { pendingAtOnce = 400 }()
	u := newUnit(t)
	lines := versionLines(t, 1, 300)
	p, file := snapshotOf(t, 1, lines)
	if err := take(t, u.Cache, p, file); err != nil {
		t.Fatal(err)
	}
	var matching sync.WaitGroup
	stop := make(chan struct{})
	matching.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			// One that changes with each version, and one that never does.
			for _, v := range []nrd.VRM{mark(n % 100 * 3), mark(n%100*3 + 1)} {
				if hits, err := u.Match(v); err != nil || len(hits) != 1 {
					t.Errorf("%s has %d hits, %v", v, len(hits), err)
					return
				}
			}
		}
	})
	for version := 2; version <= 12; version++ {
		next := versionLines(t, version, 300)
		p, file := deltaOf(t, version, lines, next)
		if version%5 == 0 {
			p, file = snapshotOf(t, version, next)
		}
		if err := take(t, u.Cache, p, file); err != nil {
			t.Fatal(err)
		}
		lines = next
	}
	close(stop)
	matching.Wait()
	if err := checkPublished(u.Cache, 12, 300); err != nil {
		t.Error(err)
	}
}

// lastly is a file that lets something happen when it was read to its end.
type lastly struct {
	*bytes.Reader
	happens func()
}

func (l *lastly) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if errors.Is(err, io.EOF) && l.happens != nil {
		l.happens()
		l.happens = nil
	}
	return n, err
}

func TestAListThatIsFoundDamagedWhileADeltaIsAppliedHoldsNobodyUp(t *testing.T) {
	pendingAtOnce = 5
	defer func() { pendingAtOnce = 400 }()
	for wait := range 10 {
		u := newUnit(t)
		one := versionLines(t, 1, 300)
		first, snapshot := snapshotOf(t, 1, one)
		if err := take(t, u.Cache, first, snapshot); err != nil {
			t.Fatal(err)
		}
		spoil(t, u.lists["wanted"].(*entryList), mark(7)) //nolint:errcheck // no list of statuses
		p, file := deltaOf(t, 2, one, versionLines(t, 2, 300))
		matched := make(chan error, 1)
		// It is found while the file is read, while the version is written, or while
		// its changes are brought in.
		lines, err := p.Open(&lastly{bytes.NewReader(file), func() {
			go func() {
				time.Sleep(time.Duration(wait) * 2 * time.Millisecond)
				_, err := u.Match(mark(7))
				matched <- err
			}()
		}})
		if err != nil {
			t.Fatal(err)
		}
		changed := make(chan error, 1)
		go func() { changed <- u.Change(t.Context(), p, lines) }()
		for what, end := range map[string]chan error{"the match": matched, "the change": changed} {
			select {
			case err := <-end:
				t.Logf("%s: %v", what, err)
			case <-time.After(20 * time.Second):
				t.Fatalf("%s does not end", what)
			}
		}
		if hits, err := u.Match(mark(8)); err != nil || len(hits) != 0 {
			t.Errorf("the list is still in force: %+v, %v", hits, err)
		}
		lines.Close()
	}
}

// spoil changes a byte of what the list's file says of a mark.
func spoil(t *testing.T, l *entryList, v nrd.VRM) {
	t.Helper()
	var box []byte
	if err := l.read(func(b *bbolt.Bucket) error {
		var prefix [prefixSize]byte
		l.secrets.prefix(&prefix, v)
		_, found := b.Cursor().Seek(prefix[:])
		box = bytes.Clone(found)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	whole := read(t, l.file)
	f, err := os.OpenFile(l.file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{box[0] ^ 1}, int64(bytes.Index(whole, box))); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
