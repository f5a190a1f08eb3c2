package lists

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"nrd/collector/access"
	"nrd/collector/store"
)

func TestAnExtractIsLoadedOnReceiptWithoutAHand(t *testing.T) {
	for name, file := range map[string]struct{ name, text string }{
		"plain":  {"NAT_WANTED_R.dat", many(0, 10) + line("ZZ1", "7")},
		"zipped": {"anything.zip", zipped("NAT_WANTED_R.dat", many(0, 10)+line("ZZ1", "7"))},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.national()
			i := s.arrives(file.name, file.text)
			if i.State != store.ImportLoaded || i.Entries != 11 || i.Report.Accepted != 11 || i.By != "inbox" {
				t.Fatalf("the import is %+v", i)
			}
			list := s.list("national")
			if v := list.InForce; v.Version != 1 || v.Entries != 11 || !v.Issued.Equal(s.clock.Now()) || !v.Expires.Equal(s.clock.Now().Add(9*time.Hour)) {
				t.Errorf("in force is %+v", v)
			}
			s.hits("ZZ1", "national 7")
			s.hits("ZZ2")
			s.again()
			s.hits("ZZ1", "national 7")
		})
	}
}

func TestInsertsAndDeletesChangeTheListAndNoNeighbours(t *testing.T) {
	s := newSite(t)
	s.national()
	s.arrives("NAT_WANTED_R.dat", many(0, 100)+line("ZZ1", "a")+line("ZZ1", "b")+line("ZZ9", ""))
	i := s.arrives("NAT_WANTED_I.dat", line("ZZ1", "c")+strings.Replace(line("ZZ1", "b"), "Stolen", "Used", 1))
	if i.State != store.ImportLoaded || i.Before != 103 || i.Entries != 104 {
		t.Fatalf("the insert is %+v", i)
	}
	s.hits("ZZ1", "national a", "national b", "national c")
	for _, f := range s.matched("ZZ1", s.clock.Stamp(), nil) {
		if changed := strings.HasPrefix(f.Entry.Reason, "Used"); changed != (f.Entry.Reference == "b") {
			t.Errorf("entry %s says %q", f.Entry.Reference, f.Entry.Reason)
		}
	}
	i = s.arrives("NAT_WANTED_D.dat", line("ZZ1", "a")+line("ZZ8", "")+line("ZZ9", ""))
	if i.State != store.ImportLoaded || i.Entries != 102 || len(i.Report.Problems) != 1 || i.Report.Problems[0].Line != 2 {
		t.Fatalf("the delete is %+v", i)
	}
	s.hits("ZZ1", "national b", "national c")
	s.hits("ZZ9")
	s.hits("AB10AAA", "national 0")
}

func TestTheReportNamesLinesAndReasons(t *testing.T) {
	s := newSite(t)
	s.national()
	text := many(0, 20) + // 1 to 20
		line("AB!2CDE", "x") + // 21
		strings.Replace(line("ZZ1", "x"), "2027-01-31", "31/31/2027", 1) + // 22
		strings.Replace(line("ZZ2", "x"), "High", "Soon", 1) + // 23
		strings.Replace(line("ZZ3", "x"), "WE VI", "QQ", 1) + // 24
		line("ZZ4", "x") + // 25
		line("ZZ4", "x") + // 26
		strings.Replace(line("ZZ5", "x"), "FORD", "F\xffRD", 1) // 27
	i := s.arrives("NAT_WANTED_R.dat", text)
	if i.State != store.ImportLoaded || i.Report.Refused != 4 || i.Entries != 23 {
		t.Fatalf("the import is %+v", i)
	}
	for n, want := range map[int]string{
		21: "VRM", 22: "weed date", 23: "taken as high", 24: `"QQ" is not known`, 26: "as line 25", 27: "not UTF-8",
	} {
		if !slices.ContainsFunc(strings.Split(i.Report.String(), "\n"), func(l string) bool {
			return strings.Contains(l, "line "+itoa(n)+":") && strings.Contains(l, want)
		}) {
			t.Errorf("line %d is not said to be %q:\n%s", n, want, i.Report.String())
		}
	}
	kept, err := s.ImportOf(t.Context(), jane, i.ID)
	if err != nil || kept.Report.String() != i.Report.String() {
		t.Errorf("the report is kept as %s, %v", kept.Report.String(), err)
	}
}

func itoa(n int) string { return string(rune('0'+n/10)) + string(rune('0'+n%10)) }

func TestABrokenFileChangesNothingAndIsReported(t *testing.T) {
	whole := zipped("NAT_WANTED_R.dat", many(0, 500))
	bomb := zipped("NAT_WANTED_R.dat", strings.Repeat(strings.Repeat("0", 4000)+"\n", 3000))
	const list, inbox = "list national: extract", "inbox: extract"
	for name, c := range map[string]struct{ file, text, why, alarm string }{
		"a truncated ZIP":               {"a.zip", whole[:len(whole)/2], "ZIP", inbox},
		"a truncated ZIP with its name": {"NAT_WANTED_R.zip", whole[:len(whole)/2], "ZIP", list},
		"a ZIP with a longer name":      {"NAT_WANTEDLY.zip", whole[:len(whole)/2], "ZIP", inbox},
		"a garbled ZIP":                 {"a.zip", whole[:200] + strings.Repeat("x", 300) + whole[500:], "ZIP", list},
		"UTF-16":                        {"NAT_WANTED_R.dat", "\xff\xfeA\x00B\x00,\x00", "UTF-16", list},
		"noise":                         {"NAT_WANTED_R.dat", "\x00\x01\x02\x03 noise \xff\n\x80\x81\n", "no entry", list},
		"nothing":                       {"NAT_WANTED_R.dat", "", "no entry", list},
		"a bomb":                        {"a.zip", bomb, "too large", list},
		"a ZIP of another name":         {"a.zip", zipped("readme.txt", many(0, 5)), "not named", inbox},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.national()
			s.arrives("NAT_WANTED_R.dat", many(0, 500)+line("ZZ1", "7"))
			before := s.list("national")
			i := s.arrives(c.file, c.text)
			if i.State != store.ImportRefused || !strings.Contains(i.Why, c.why) {
				t.Fatalf("the import is %s because %q, want refused for %q", i.State, i.Why, c.why)
			}
			if after := s.list("national"); after.InForce != before.InForce || after.File != before.File {
				t.Errorf("the list is %+v, was %+v", after.InForce, before.InForce)
			}
			s.hits("ZZ1", "national 7")
			for range 2 { // the second time after a restart
				if !slices.Equal(s.alarms(), []string{c.alarm}) {
					t.Errorf("told is %v, want %q", s.alarms(), c.alarm)
				}
				s.again()
				s.look()
			}
			s.arrives("NAT_WANTED_R.dat", many(0, 500))
			if len(s.alarms()) != 0 {
				t.Errorf("a good file came, and %v stands", s.alarms())
			}
			s.onlyInForce()
		})
	}
}

// onlyInForce wants no files but those of versions in force and of held imports.
func (s *site) onlyInForce() {
	s.t.Helper()
	var want, got []string
	all, err := s.store.Lists(s.t.Context())
	s.must(err)
	for _, list := range all {
		if list.File != "" {
			want = append(want, list.File)
		}
	}
	held, err := s.store.HeldImports(s.t.Context())
	s.must(err)
	for _, i := range held {
		want = append(want, i.Candidate)
	}
	entries, err := os.ReadDir(s.Dir)
	s.must(err)
	for _, e := range entries {
		got = append(got, e.Name())
	}
	slices.Sort(want)
	if slices.Sort(got); !slices.Equal(got, want) {
		s.t.Errorf("the folder has %v, want %v", got, want)
	}
}

func TestAFileThatShrinksOrEmptiesAListWaitsForAPerson(t *testing.T) {
	gone := func(lines string) string { return strings.ReplaceAll(lines, "2027-01-31", "2026-11-22") }
	for name, c := range map[string]struct {
		file, text, why string
	}{
		"a whole list of half the size": {"NAT_WANTED_R.dat", many(0, 50), "shrink from 100 to 50"},
		"deletes of a quarter":          {"NAT_WANTED_D.dat", many(0, 25), "shrink from 100 to 75"},
		"deletes of all":                {"NAT_WANTED_D.dat", many(0, 100), "empty"},
		"a list cut off in its middle":  {"NAT_WANTED_R.dat", many(0, 100)[:3000], "shrink"},
		"a list that has expired":       {"NAT_WANTED_R.dat", gone(many(0, 100)), "all 100 entries have expired"},
		"half of a list has expired":    {"NAT_WANTED_R.dat", gone(many(0, 50)) + many(50, 50), "shrink from 100 to 50 entries, 50 expired ones not counted"},
		"inserts that end a quarter":    {"NAT_WANTED_I.dat", gone(many(0, 25)), "shrink from 100 to 75 entries, 25 expired ones not counted"},
		"a list cut off near its end":   {"NAT_WANTED_R.dat", many(0, 100)[:len(many(0, 99))+20], "ends within a line"},
		"inserts that are cut off":      {"NAT_WANTED_I.dat", (line("ZZ1", "") + line("ZZ2", ""))[:100], "ends within a line"},
		"a third of the lines is wrong": {"NAT_WANTED_R.dat", many(0, 100) + strings.Repeat("rubbish\n", 50), "50 of its 150 lines"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.national()
			s.arrives("NAT_WANTED_R.dat", many(0, 100))
			i := s.arrives(c.file, c.text)
			if i.State != store.ImportHeld || !strings.Contains(i.Why, c.why) {
				t.Fatalf("it is %s because %q, want held: %q", i.State, i.Why, c.why)
			}
			if s.list("national").InForce.Entries != 100 || !slices.Contains(s.alarms(), "list national: held") {
				t.Errorf("the list has %d entries, alarms %v", s.list("national").InForce.Entries, s.alarms())
			}
			s.onlyInForce()
			s.again() // it waits through a restart
			if err := s.Approve(t.Context(), jane, i.ID, " "); !errors.Is(err, access.ErrReason) {
				t.Errorf("approved without a reason: %v", err)
			}
			if err := s.Approve(t.Context(), access.By{Account: "ros.kerr"}, i.ID, "because"); !errors.Is(err, access.ErrDenied) {
				t.Errorf("approved by who may not: %v", err)
			}
			s.must(s.Approve(t.Context(), jane, i.ID, "the sender confirms it"))
			after, err := s.store.Import(t.Context(), i.ID)
			if err != nil || after.State != store.ImportApproved || after.DecidedBy != "jane.doe" || s.list("national").InForce.Entries != i.Entries {
				t.Errorf("after approval %+v, %v; the list has %d", after, err, s.list("national").InForce.Entries)
			}
			if got := s.lines(); got[len(got)-1] != "jane.doe: list import approve: ok" || len(s.alarms()) != 0 {
				t.Errorf("the log ends with %q, alarms %v", got[len(got)-1], s.alarms())
			}
			if err := s.Approve(t.Context(), jane, i.ID, "again"); !errors.Is(err, ErrInvalid) {
				t.Errorf("approved twice: %v", err)
			}
			s.onlyInForce()
		})
	}
}

func TestEntriesThatExpiredMeanwhileOrAlwaysComeExpiredHoldNothingUp(t *testing.T) {
	s := newSite(t)
	s.national()
	old := strings.ReplaceAll(many(0, 50), "2027-01-31", "2026-11-23")
	s.arrives("NAT_WANTED_R.dat", old+many(50, 50))
	s.clock.Advance(24 * time.Hour)
	if i := s.arrives("NAT_WANTED_R.dat", many(50, 50)); i.State != store.ImportLoaded {
		t.Errorf("without those that expired it is %s: %s", i.State, i.Why)
	}
	for range 2 {
		if i := s.arrives("NAT_WANTED_R.dat", old+many(50, 50)+line("ZZ1", s.clock.Now().String())); i.State != store.ImportLoaded || i.Entries != 101 || i.Expired != 50 {
			t.Errorf("with them it is %s: %s, %d entries, %d expired", i.State, i.Why, i.Entries, i.Expired)
		}
	}
}

func TestARejectedFileIsGoneAndANewerOneEndsTheWaiting(t *testing.T) {
	s := newSite(t)
	s.national()
	s.arrives("NAT_WANTED_R.dat", many(0, 100))
	i := s.arrives("NAT_WANTED_R.dat", many(0, 1))
	s.must(s.Reject(t.Context(), jane, i.ID, "the sender made a mistake"))
	if s.list("national").InForce.Entries != 100 || len(s.alarms()) != 0 {
		t.Errorf("%d entries, alarms %v", s.list("national").InForce.Entries, s.alarms())
	}
	i = s.arrives("NAT_WANTED_R.dat", many(0, 2))
	if change := s.arrives("NAT_WANTED_I.dat", line("ZZ1", "")); change.State != store.ImportHeld || !strings.Contains(change.Why, "waits") {
		t.Errorf("a change of what waits is %s: %s", change.State, change.Why)
	}
	s.arrives("NAT_WANTED_R.dat", many(0, 99))
	held, err := s.store.HeldImports(t.Context())
	if err != nil || len(held) != 0 {
		t.Errorf("still waiting: %+v, %v", held, err)
	}
	if after, err := s.store.Import(t.Context(), i.ID); err != nil || after.State != store.ImportRejected || !strings.Contains(after.Reason, "newer") {
		t.Errorf("what waited is %+v, %v", after, err)
	}
	s.onlyInForce()
}

func TestAnOldListThatIsSentAgainWaitsForAPerson(t *testing.T) {
	s := newSite(t)
	s.national()
	old := many(0, 100)
	first := s.arrives("NAT_WANTED_R.dat", old)
	if i := s.arrives("NAT_WANTED_R.dat", old); i.State != store.ImportLoaded {
		t.Fatalf("the list in force, sent again, is %s: %s", i.State, i.Why)
	}
	s.arrives("NAT_WANTED_R.dat", many(1, 100))
	for name, text := range map[string]string{"NAT_WANTED_R.dat": old, "other.zip": zipped("NAT_WANTED_R.dat", old)} {
		i := s.arrives(name, text)
		if i.State != store.ImportHeld || !strings.Contains(i.Why, fmt.Sprintf("the file of import %d (2026", first.ID+1)) {
			t.Errorf("an old list as %s is %s: %s", name, i.State, i.Why)
		}
		s.hits("AB10AAA")
	}
	i := s.arrives("NAT_WANTED_R.dat", old)
	s.must(s.Approve(t.Context(), jane, i.ID, "the sender went back to it"))
	s.hits("AB10AAA", "national 0")
	s.arrives("NAT_WANTED_D.dat", line("AB10AAA", "0"))
	if i := s.arrives("NAT_WANTED_R.dat", old); i.State != store.ImportHeld {
		t.Errorf("the whole list without what changed it since is %s: %s", i.State, i.Why)
	}
}

func TestNoMoreFilesWaitThanAPersonCanDecideAbout(t *testing.T) {
	s := newSite(t)
	s.national()
	s.arrives("NAT_WANTED_R.dat", many(0, 100))
	var last store.ListImport
	for n := range 3 {
		last = s.arrives("NAT_WANTED_R.dat", many(0, n+1))
		if held, err := s.store.HeldImports(t.Context()); err != nil || len(held) != 1 || held[0].ID != last.ID {
			t.Fatalf("%d whole lists wait, %v", len(held), err)
		}
	}
	if before, err := s.store.Import(t.Context(), last.ID-1); err != nil || before.State != store.ImportRejected || !strings.Contains(before.Reason, "waits in its place") {
		t.Errorf("the one before is %+v, %v", before, err)
	}
	for n := range maxWaiting - 1 {
		if i := s.arrives("NAT_WANTED_I.dat", line("ZZ1", fmt.Sprint(n))); i.State != store.ImportHeld {
			t.Fatalf("change %d of what waits is %s: %s", n, i.State, i.Why)
		}
	}
	if i := s.arrives("NAT_WANTED_I.dat", line("ZZ2", "")); i.State != store.ImportRefused || !strings.Contains(i.Why, "send the whole list") {
		t.Errorf("one more is %s: %s", i.State, i.Why)
	}
	s.onlyInForce()
	s.arrives("NAT_WANTED_R.dat", many(0, 101))
	if held, err := s.store.HeldImports(t.Context()); err != nil || len(held) != 0 {
		t.Errorf("the whole list came, and %d files wait, %v", len(held), err)
	}
	s.onlyInForce()
}

func TestAnOlderFileIsRefused(t *testing.T) {
	s := newSite(t)
	s.national()
	s.arrives("NAT_WANTED_R.dat", many(0, 100))
	s.lay("NAT_WANTED_R.dat", many(0, 99))
	yesterday := s.clock.Now().Add(-24 * time.Hour)
	s.must(os.Chtimes(filepath.Join(s.Inbox, "NAT_WANTED_R.dat"), yesterday, yesterday))
	s.look()
	last, err := s.store.Imports(t.Context(), "national", 1)
	if err != nil || last[0].State != store.ImportRefused || !strings.Contains(last[0].Why, "older") || s.list("national").InForce.Entries != 100 {
		t.Errorf("it is %+v, %v", last, err)
	}
}

func TestAFileThatIsStillComingOrIsNoFileIsLeftAlone(t *testing.T) {
	s := newSite(t)
	s.national()
	s.lay("NAT_WANTED_R.dat", many(0, 10)[:500])
	s.must(s.lookIntoInbox(t.Context()))
	s.lay("NAT_WANTED_R.dat", many(0, 10)) // it has grown
	s.must(s.lookIntoInbox(t.Context()))
	if n := s.list("national").InForce.Version; n != 0 {
		t.Fatalf("version %d was made of a file that was on its way", n)
	}
	s.must(s.lookIntoInbox(t.Context()))
	if n := s.list("national").InForce.Entries; n != 10 {
		t.Errorf("the whole file made a list of %d entries", n)
	}
	secret := filepath.Join(s.dir, "NAT_WANTED_R.dat")
	s.must(os.WriteFile(secret, []byte(many(0, 12)), 0o600))
	s.must(os.Symlink(secret, filepath.Join(s.Inbox, "NAT_WANTED_R.dat")))
	s.must(syscall.Mkfifo(filepath.Join(s.Inbox, "NAT_WANTED_I.dat"), 0o600))
	s.lay("NAT_WANTED_D.dat.part", many(0, 5))
	s.look()
	if n := s.list("national").InForce.Entries; n != 10 {
		t.Errorf("a link, a pipe or an unfinished file made a list of %d entries", n)
	}
}

func TestAFileOfNoListWaitsUntilThereIsOne(t *testing.T) {
	s := newSite(t)
	s.lay("NAT_WANTED_R.dat", many(0, 10))
	s.look()
	if got := s.alarms(); !slices.Equal(got, []string{"inbox: extract"}) {
		t.Errorf("alarms %v", got)
	}
	s.national()
	s.look()
	if n := s.list("national").InForce.Entries; n != 10 || len(s.alarms()) != 0 {
		t.Errorf("the list has %d entries, alarms %v", n, s.alarms())
	}
}

func TestAMissingOrLateExtractRaisesAnAlarm(t *testing.T) {
	s := newSite(t)
	s.national()
	late := []string{"list national: extract"}
	s.clock.Advance(8 * time.Hour)
	if len(s.alarms()) != 0 {
		t.Errorf("within its time: %v", s.alarms())
	}
	s.clock.Advance(time.Hour)
	if !slices.Equal(s.alarms(), late) {
		t.Errorf("nothing ever came: %v", s.alarms())
	}
	s.arrives("NAT_WANTED_R.dat", many(0, 10))
	if len(s.alarms()) != 0 {
		t.Errorf("it came: %v", s.alarms())
	}
	s.clock.Advance(9 * time.Hour)
	if !slices.Equal(s.alarms(), late) {
		t.Errorf("the next one is late: %v", s.alarms())
	}
	s.must(s.Withdraw(t.Context(), jane, "national", "no longer sent"))
	if len(s.alarms()) != 0 {
		t.Errorf("withdrawn: %v", s.alarms())
	}
}
