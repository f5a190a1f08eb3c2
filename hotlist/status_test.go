package hotlist

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"nrd"
	"nrd/internal/sealed"
)

// forms are what a list can be kept as; what is tested with them holds for each.
var forms = map[string]Rule{"entries": {}, "statuses": {Status: true}}

func eachForm(t *testing.T, test func(t *testing.T, u *unit)) {
	for name, rule := range forms {
		t.Run(name, func(t *testing.T) {
			u := newUnit(t)
			u.config.Rules = map[string]Rule{"wanted": rule, "local": rule}
			u.restart(func([]string) {})
			test(t, u)
			for _, path := range u.paths() {
				if strings.HasSuffix(path, statusSuffix) != rule.Status {
					t.Errorf("a list is kept as %s", path)
				}
			}
		})
	}
}

func TestEveryFormGivesBackTheWholeEntry(t *testing.T) {
	eachForm(t, func(t *testing.T, u *unit) {
		want := nrd.Entry{
			VRM: "AB12CDE", Make: "FORD", Model: "FOCUS", Colour: "BLUE", Priority: nrd.PriorityHigh, Action: "High, stop",
			Markers: []string{"VI", "WE"}, Reason: "No insurance", Intelligence: "B22", Information: "Stop", Force: "Anyshire",
			Weed: noon.AddDate(0, 1, 0).Truncate(24 * time.Hour), NationalID: "N1", Marking: "OFFICIAL", CAD: "C7",
			Instructions: "call", Reference: "R1",
		}
		long := entry("ABCDEFGHIJKLMNO", nrd.PriorityLow, "R2")
		u.mustLoad("wanted", "", entry("A", nrd.PriorityLow, "R0"), want, long)
		want.List, want.Line = "wanted", 2
		hits, err := u.Match("AB12CDE")
		if err != nil || len(hits) != 1 || fmt.Sprint(hits[0].Entry) != fmt.Sprint(want) {
			t.Errorf("%v, got  %+v\nwant %+v", err, hits, want)
		}
		if got := u.found("A") + u.found(long.VRM); got != "R0R2" {
			t.Errorf("the shortest and the longest mark give %s", got)
		}
		for _, v := range []nrd.VRM{"AB12CDF", "AB12CD", "AB12CDEE", "8B12CDE", "AA", "ABCDEFGHIJKLMN", "ABCDEFGHIJKLMNOP", "9", "Z", ""} {
			if got := u.found(v); got != "" {
				t.Errorf("%q hits %s", v, got)
			}
		}
	})
}

func TestEveryFormIsChangedAlike(t *testing.T) {
	eachForm(t, func(t *testing.T, u *unit) {
		u.mustLoad("wanted", "nat_wanted_R.dat", entry("A1", nrd.PriorityLow, "R1"), entry("A1", nrd.PriorityLow, "R2"), entry("B2", nrd.PriorityLow, "R3"))
		u.mustLoad("wanted", "nat_wanted_I.dat", entry("A1", nrd.PriorityHigh, "R2"), entry("C3", nrd.PriorityLow, "R4"), entry("A0", nrd.PriorityLow, "R5"))
		if got := u.found("A1") + "," + u.found("B2") + "," + u.found("C3") + "," + u.found("A0"); got != "R2 R1,R3,R4,R5" {
			t.Errorf("after the insert: %s", got)
		}
		report := u.mustLoad("wanted", "nat_wanted_D.dat", entry("A1", nrd.PriorityLow, "R2"), entry("D4", nrd.PriorityHigh, "R9"))
		if got := u.found("A1") + "," + u.found("B2") + "," + u.found("C3"); got != "R1,R3,R4" {
			t.Errorf("after the delete: %s", got)
		}
		if len(report.Problems) != 1 || report.Problems[0].String() != "line 2: warning: is not in the list" {
			t.Errorf("the delete reported %v", report.Problems)
		}
		if v := u.version("wanted"); v.Version != 3 || v.Entries != 4 {
			t.Errorf("the list in force is %+v", v)
		}
		if _, err := u.load("other", "nat_other_D.dat", entry("A1", nrd.PriorityLow, "R1")); !errors.Is(err, ErrNoList) {
			t.Errorf("a delete without a list: %v", err)
		}
		report = u.mustLoad("wanted", "nat_wanted_R.dat", entry("E5", nrd.PriorityLow, "R5"), entry("E5", nrd.PriorityHigh, "R5"))
		if report.Accepted != 1 || report.Problems[0].String() != "line 2: refused: has the same VRM and source reference as line 1" {
			t.Errorf("an entry that stands twice is reported as %s", report)
		}
		u.restart(func([]string) {})
		if got := u.found("A1") + "," + u.found("E5"); got != ",R5" {
			t.Errorf("after a restart: %s", got)
		}
	})
}

func TestEveryFormFindsEachOfManyEntriesAndNothingElse(t *testing.T) {
	eachForm(t, func(t *testing.T, u *unit) {
		var entries []nrd.Entry
		for n := range 20_000 {
			entries = append(entries, entry(mark(n*31), nrd.PriorityLow, fmt.Sprint("R", n%7)))
		}
		for n := range 900 { // more of one VRM than a block holds
			entries = append(entries, entry("MM11MMM", nrd.PriorityLow, fmt.Sprint("S", n%200)))
		}
		report := u.mustLoad("wanted", "", entries...)
		if report.Accepted != 20_200 || report.Refused != 700 {
			t.Fatalf("%d accepted, %d refused", report.Accepted, report.Refused)
		}
		for n := range 20_000 {
			if got, want := u.found(mark(n*31)), fmt.Sprint("R", n%7); got != want {
				t.Fatalf("%s gives %q, want %q", mark(n*31), got, want)
			}
			if got := u.found(mark(n*31 + 1)); got != "" {
				t.Fatalf("%s is in no list and gives %q", mark(n*31+1), got)
			}
		}
		if got := strings.Fields(u.found("MM11MMM")); len(got) != 200 {
			t.Errorf("one VRM has %d entries, want 200", len(got))
		}
	})
}

func TestAFlippedBitInAnyFormIsFoundWhenTheCacheIsOpened(t *testing.T) {
	eachForm(t, func(t *testing.T, u *unit) {
		u.mustLoad("wanted", "", statusEntries("R1")...)
		path := u.paths()[0]
		whole := read(t, path)
		for at := 40; at < len(whole); at += 1499 {
			u.restart(func([]string) {
				changed := bytes.Clone(whole)
				changed[at] ^= 0x10
				restore(t, path, changed)
			})
			if v := u.version("wanted"); v.Version == 1 { // a place that nothing uses
				if got := u.found("A1"); got != "R1" {
					t.Fatalf("a bit at %d: %q is in force", at, got)
				}
			} else if u.found("A1") != "" || !strings.Contains(u.log.String(), "import it again") {
				t.Fatalf("a bit at %d: it matches, or nobody was told", at)
			}
			u.restart(func([]string) {
				for _, name := range names(t, u.config.Path) {
					if strings.Contains(name, corruptInfix) {
						discardFile(t, u, name)
					}
				}
			})
		}
		u.restart(func([]string) { restore(t, path, whole) })
	})
}

func TestMarksThatBeginAlikeAreFoundInAnyForm(t *testing.T) {
	eachForm(t, func(t *testing.T, u *unit) {
		long := func(n int) nrd.VRM { return nrd.VRM(fmt.Sprintf("ABCDEFGH%05d", n)) }
		var entries []nrd.Entry
		for n := range 300 {
			entries = append(entries, entry(long(2*n), nrd.PriorityLow, fmt.Sprint("R", n%7)))
		}
		u.mustLoad("wanted", "", entries...)
		for n := range 300 {
			if got, none := u.found(long(2*n)), u.found(long(2*n+1)); got != fmt.Sprint("R", n%7) || none != "" {
				t.Fatalf("%s gives %q, the one after it %q", long(2*n), got, none)
			}
		}
	})
}

// statusUnit gives a unit whose list is one of statuses.
func statusUnit(t *testing.T) *unit {
	t.Helper()
	u := newUnit(t)
	u.config.Rules = map[string]Rule{"wanted": {Status: true}}
	u.restart(func([]string) {})
	return u
}

// twoVersions gives a unit with a list of statuses, and the file of the version before.
func twoVersions(t *testing.T) (u *unit, old []byte) {
	t.Helper()
	u = statusUnit(t)
	u.mustLoad("wanted", "", statusEntries("R1")...)
	old = read(t, u.paths()[0])
	u.mustLoad("wanted", "", statusEntries("R2")...)
	return u, old
}

func TestBlocksOfAnotherVersionOrInAnotherOrderAreDamage(t *testing.T) {
	u, old := twoVersions(t)
	path := u.paths()[0]
	whole := read(t, path)
	for sentence, change := range map[string]func(data []byte) []byte{
		"an older version's block": func(d []byte) []byte { copy(d[blockSize:2*blockSize], old[blockSize:]); return d },
		"two blocks that changed": func(d []byte) []byte {
			return slices.Concat(d[:blockSize], d[2*blockSize:3*blockSize], d[blockSize:2*blockSize], d[3*blockSize:])
		},
		"without its end":            func(d []byte) []byte { return d[:len(d)-100] },
		"without a block":            func(d []byte) []byte { return slices.Concat(d[:blockSize], d[2*blockSize:]) },
		"an index longer than it is": func(d []byte) []byte { d[len(d)-8] = 0x7f; return d },
		"its head alone":             func(d []byte) []byte { return d[:blockSize] },
		"the mark alone":             func(d []byte) []byte { return d[:len(statusMark)] },
		"nothing":                    func([]byte) []byte { return nil },
	} {
		u.restart(func([]string) { restore(t, path, change(bytes.Clone(whole))) })
		if u.found("A1") != "" || len(u.paths()) != 0 {
			t.Errorf("%s: it is in force", sentence)
		}
	}
}

// An index of two pieces of the same length, and one more.
func TestEachOfManyStatusesIsFoundAndTheIndexHasItsOrder(t *testing.T) {
	u := statusUnit(t)
	const many = 400_000
	entries := make([]nrd.Entry, many)
	for n := range entries {
		entries[n] = entry(mark(n*2), nrd.PriorityLow, fmt.Sprint("R", n%7))
	}
	u.mustLoad("wanted", "", entries...)
	for n := 0; n < many; n += 37 {
		if got, none := u.found(mark(n*2)), u.found(mark(n*2+1)); got != fmt.Sprint("R", n%7) || none != "" {
			t.Fatalf("%s gives %q, the one after it %q", mark(n*2), got, none)
		}
	}
	path := u.paths()[0]
	whole := read(t, path)
	const piece = pieceSize + sealed.Overhead
	index := (1 + u.lists["wanted"].(*statusList).Blocks) * blockSize //nolint:errcheck // it is one of statuses
	u.restart(func([]string) {
		restore(t, path, slices.Concat(whole[:index], whole[index+piece:index+2*piece], whole[index:index+piece], whole[index+2*piece:]))
	})
	if u.found(mark(0)) != "" || len(u.paths()) != 0 {
		t.Error("with two pieces of its index in another order it is in force")
	}
}

func TestAMatchInStatusesThatFindsNothingLeavesNothingToCollect(t *testing.T) {
	u := statusUnit(t)
	u.mustLoad("wanted", "", statusEntries("R1")...)
	if n := testing.AllocsPerRun(100, func() {
		if hits, err := u.Match("ZZ99ZZZ"); len(hits) > 0 || err != nil {
			t.Fatal(hits, err)
		}
	}); n > 0 {
		t.Errorf("it takes memory %v times", n)
	}
}

func TestAStatusListThatIsDamagedWhileItIsOpenIsSetAside(t *testing.T) {
	for sentence, harm := range map[string]func(path string, old []byte) error{
		"cut": func(path string, _ []byte) error { return os.Truncate(path, blockSize+10) },
		"an older version's block": func(path string, old []byte) error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt(old[blockSize:2*blockSize], blockSize)
			return errors.Join(err, f.Close())
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			u, old := twoVersions(t)
			if err := harm(u.paths()[0], old); err != nil {
				t.Fatal(err)
			}
			if _, err := u.Match("A1"); !errors.Is(err, ErrDamaged) {
				t.Errorf("got %v", err)
			}
			if _, err := u.Match("A1"); err != nil || len(u.paths()) != 0 {
				t.Errorf("afterwards: %v, %v", err, u.paths())
			}
		})
	}
}

func TestAListOfTooManyKindsIsNoneOfStatuses(t *testing.T) {
	u := statusUnit(t)
	var entries []nrd.Entry
	for n := range MaxStatuses + 1 {
		entries = append(entries, entry(mark(n), nrd.PriorityLow, fmt.Sprint(n)))
	}
	u.mustLoad("wanted", "", entries[:MaxStatuses]...)
	if _, err := u.load("wanted", "", entries...); !errors.Is(err, ErrNotStatus) || !strings.Contains(err.Error(), "line 257") {
		t.Errorf("got %v", err)
	}
	if got := u.found(mark(255)); got != "255" {
		t.Errorf("in force: %q", got)
	}
}

func TestTheFileOfStatusesShowsNoVRM(t *testing.T) {
	u := statusUnit(t)
	entries := statusEntries("SECRETREF")
	u.mustLoad("wanted", "", entries...)
	data := read(t, u.paths()[0])
	for _, e := range entries[1:] {
		if bytes.Contains(data, []byte(e.VRM)) || bytes.Contains(data, []byte("SECRETREF")) {
			t.Fatalf("it shows %s", e.VRM)
		}
	}
}

// statusEntries fill some blocks; A1 is one of them.
func statusEntries(reference string) []nrd.Entry {
	entries := []nrd.Entry{entry("A1", nrd.PriorityLow, reference)}
	for n := range 3000 {
		entries = append(entries, entry(mark(n*77), nrd.PriorityLow, reference))
	}
	return entries
}

func discardFile(t *testing.T, u *unit, name string) {
	t.Helper()
	remove(t, u.config.Path+"/"+name)
}

func FuzzBlock(f *testing.F) {
	var b block
	for n := range 5 {
		b.add(status{packVRM(mark(n)), uint32(n), 0})
	}
	f.Add(b.take())
	f.Add([]byte{0, 1, 0x0f})
	f.Add([]byte{0xff, 0xff, 0xf0, 0, 0})
	f.Fuzz(func(_ *testing.T, text []byte) {
		_ = eachStatus(text, func(s status) bool { // it may be an error, never a panic
			_ = s.vrm.vrm()
			return true
		})
	})
}

func FuzzPackedVRM(f *testing.F) {
	f.Add("AB12CDE", "AB12CDF")
	f.Add("ABCDEFGHIJKLMNO", "ABCDEFGH")
	f.Fuzz(func(t *testing.T, a, b string) {
		v, err := nrd.ParseVRM(a)
		w, err2 := nrd.ParseVRM(b)
		if err != nil || err2 != nil {
			return
		}
		p, q := packVRM(v), packVRM(w)
		if (p.opening() < q.opening()) != (v[:min(len(v), 7)] < w[:min(len(w), 7)]) {
			t.Fatalf("the openings of %s and %s have another order", v, w)
		}
		if p.vrm() != v || p.compare(q) != strings.Compare(string(v), string(w)) {
			t.Fatalf("%s packs as %s, beside %s", v, p.vrm(), w)
		}
		shared, text := p.shared(q), q.bytes()
		if r := p.follow(shared, text[shared:q.length()]); r != q {
			t.Fatalf("%s after %s is %s", w, v, r.vrm())
		}
	})
}

func FuzzStatusFile(f *testing.F) {
	key := sealed.NewKey()
	path := f.TempDir() + "/fuzz" + statusSuffix
	w, err := createStatusFile(path, key.Derive("lists of statuses"))
	if err != nil {
		f.Fatal(err)
	}
	if err := errors.Join(w.add(status{packVRM("A1"), 1, 0}), w.finish(header{ListVersion: nrd.ListVersion{List: "wanted", Version: 1}}, []string{"X,,,,,,,,,,,,,,,"}, false)); err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:blockSize])
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := openList(path, key)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		_ = l.lookup("A1", &found{}) // damage shows here at the latest, and is no panic
		if err := l.close(); err != nil {
			t.Fatal(err)
		}
	})
}
