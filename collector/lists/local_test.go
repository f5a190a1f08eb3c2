package lists

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nrd"
	"nrd/collector/access"
	"nrd/collector/alarm"
	"nrd/collector/store"
	"nrd/hotlist/voi"
)

// entry is one that may be added as it is.
func entry(vrm nrd.VRM, reference string) store.ListEntry {
	return store.ListEntry{
		Entry:     nrd.Entry{VRM: vrm, Reference: reference, Priority: nrd.PriorityHigh, Reason: "Stop", Markers: []string{"WE"}, Weed: noon.AddDate(0, 2, 0).Truncate(24 * time.Hour)},
		Rationale: "seen at three burglaries",
	}
}

func (s *site) put(list string, e store.ListEntry) {
	s.t.Helper()
	s.must(s.PutEntry(s.t.Context(), jane, list, e))
}

func (s *site) entries(list string) []store.ListEntry {
	s.t.Helper()
	entries, err := s.store.Entries(s.t.Context(), store.EntryQuery{List: list})
	s.must(err)
	return entries
}

func TestAnEntryMatchesFromItsAdditionToItsWeedDate(t *testing.T) {
	s := newSite(t)
	s.localList("burglars")
	e := entry("ab12 cde", "1")
	e.Weed = noon.AddDate(0, 0, 2).Truncate(24 * time.Hour)
	s.put("burglars", e)
	s.hits("AB12CDE", "burglars 1")
	held := s.entries("burglars")[0]
	if held.Creator != "jane.doe" || !held.Created.Equal(noon) || held.VRM != "AB12CDE" || !held.Review.Equal(e.Weed) {
		t.Errorf("it is kept as %+v", held)
	}
	s.again()
	s.hits("AB12CDE", "burglars 1")
	s.clock.Set(e.Weed.Add(24*time.Hour - time.Second))
	s.hits("AB12CDE", "burglars 1")
	s.clock.Set(e.Weed.Add(24 * time.Hour))
	s.hits("AB12CDE")
}

func TestAnEntryIsChangedAndRemovedAndItsMakerStays(t *testing.T) {
	s := newSite(t)
	s.localList("burglars")
	s.put("burglars", entry("AB12CDE", "1"))
	held := s.entries("burglars")[0]
	changed := held
	changed.VRM, changed.Rationale = "CD34EFG", "it was another mark"
	s.must(s.store.PutAccount(t.Context(), store.Account{Name: "li.wu", FullName: "Li", Role: "anpr-manager"}))
	s.must(s.PutEntry(t.Context(), access.By{Account: "li.wu"}, "burglars", changed))
	s.hits("AB12CDE")
	s.hits("CD34EFG", "burglars 1")
	if after := s.entries("burglars")[0]; after.Creator != "jane.doe" || after.ID != held.ID {
		t.Errorf("it became %+v", after)
	}
	if err := s.RemoveEntry(t.Context(), jane, "burglars", held.ID, ""); !errors.Is(err, access.ErrReason) {
		t.Errorf("removed without a reason: %v", err)
	}
	s.must(s.RemoveEntry(t.Context(), jane, "burglars", held.ID, "arrested"))
	s.hits("CD34EFG")
	if err := s.RemoveEntry(t.Context(), jane, "burglars", held.ID, "again"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
	changed.ID = 4711
	if err := s.PutEntry(t.Context(), jane, "burglars", changed); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("changed what is not there: %v", err)
	}
}

func TestAChangeKeepsWhatNoFormShows(t *testing.T) {
	s := newSite(t)
	s.localList("burglars")
	e := entry("AB12CDE", "1")
	e.Action, e.NationalID = "HIGH", "07/123456A"
	s.put("burglars", e)
	change := entry("AB12CDE", "1") // as a form gives it
	change.ID, change.Reason = s.entries("burglars")[0].ID, "Stop and search"
	s.put("burglars", change)
	if held := s.entries("burglars")[0]; held.Action != "HIGH" || held.NationalID != "07/123456A" || held.Reason != "Stop and search" {
		t.Errorf("it became %+v", held)
	}
	change.Priority = nrd.PriorityLow
	s.put("burglars", change)
	if held := s.entries("burglars")[0]; held.Action != "low" || held.NationalID != "07/123456A" {
		t.Errorf("with another priority it became %+v", held)
	}
	change.NationalID = "07/7"
	s.put("burglars", change)
	if held := s.entries("burglars")[0]; held.NationalID != "07/7" {
		t.Errorf("with another national ID it became %+v", held)
	}
}

func TestAnEntryThatCannotBeIsRefused(t *testing.T) {
	s := newSite(t)
	s.localList("burglars")
	s.national()
	s.put("burglars", entry("AB12CDE", "1"))
	for name, c := range map[string]struct {
		list   string
		change func(*store.ListEntry)
		want   error
		says   string
	}{
		"no mark":                     {"burglars", func(e *store.ListEntry) { e.VRM = "" }, ErrInvalid, "letter or digit"},
		"a mark that is none":         {"burglars", func(e *store.ListEntry) { e.VRM = "AB!2" }, ErrInvalid, "VRM"},
		"no weed date":                {"burglars", func(e *store.ListEntry) { e.Weed = time.Time{} }, ErrInvalid, "weed date is missing"},
		"a weed date gone by":         {"burglars", func(e *store.ListEntry) { e.Weed = noon.AddDate(0, 0, -1) }, ErrInvalid, "has passed"},
		"a review after the end":      {"burglars", func(e *store.ListEntry) { e.Review = e.Weed.AddDate(0, 0, 1) }, ErrInvalid, "after the weed date"},
		"a priority without a reason": {"burglars", func(e *store.ListEntry) { e.Rationale = " - " }, ErrInvalid, "priority"},
		"a line break":                {"burglars", func(e *store.ListEntry) { e.Reason = "a\nb" }, ErrInvalid, "control character"},
		"one that is there":           {"burglars", func(e *store.ListEntry) { e.Reference = "1" }, store.ErrExists, ""},
		"one of the national list":    {"national", func(*store.ListEntry) {}, ErrInvalid, "come in files"},
		"one of no list":              {"nowhere", func(*store.ListEntry) {}, store.ErrNotFound, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := entry("AB12CDE", "2")
			c.change(&e)
			if err := s.PutEntry(t.Context(), jane, c.list, e); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %v with %q", err, c.want, c.says)
			}
		})
	}
	s.hits("AB12CDE", "burglars 1")
}

func TestALocalListIsRefusedANationalRecipient(t *testing.T) {
	s := newSite(t)
	s.must(s.store.ChangeDevice(t.Context(), "car-7", func(*store.Device) error { return nil }))
	good := NewList{Name: "burglars", Owner: "DI Gray", Purpose: store.ForResponse, Recipients: []string{"car-7"}}
	for _, to := range []string{"national", "NAS", "NADS", "PNC", "LEDS", "nas-receiver", "Home Office"} {
		n := good
		n.Recipients = []string{"car-7", to}
		if err := s.Create(t.Context(), jane, n); !errors.Is(err, ErrNational) {
			t.Errorf("to %s: %v", to, err)
		}
	}
	for name, change := range map[string]func(*NewList){
		"a recipient that is no device": func(n *NewList) { n.Recipients = []string{"car-8"} },
		"no owner":                      func(n *NewList) { n.Owner = " " },
		"no purpose":                    func(n *NewList) { n.Purpose = "" },
		"a name with a path in it":      func(n *NewList) { n.Name = "../burglars" },
		"a file that is due":            func(n *NewList) { n.Every = time.Hour },
	} {
		n := good
		change(&n)
		if err := s.Create(t.Context(), jane, n); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.must(s.Create(t.Context(), jane, good))
	if err := s.Create(t.Context(), jane, good); !errors.Is(err, ErrInvalid) {
		t.Errorf("the same name twice: %v", err)
	}
	toNational := func(n *NewList) { n.Recipients = []string{"national"} }
	if err := s.Change(t.Context(), jane, "burglars", toNational); !errors.Is(err, ErrNational) || !slices.Equal(s.list("burglars").Recipients, good.Recipients) {
		t.Errorf("changed to a national recipient: %v", err)
	}
}

func TestCovertAndExpiredEntriesAreNeverPublished(t *testing.T) {
	s := newSite(t)
	printer := newPrinter()
	s.Publisher = printer
	s.localList("burglars")
	covert, ends := entry("CD34EFG", ""), entry("EF56GHJ", "")
	covert.Covert = true
	ends.Weed = noon.Truncate(24 * time.Hour)
	for _, e := range []store.ListEntry{entry("ZZ1", ""), covert, ends, entry("AB12CDE", "")} {
		s.put("burglars", e)
	}
	s.must(s.publish(t.Context()))
	if got := printer.marks["burglars"]; !slices.Equal(got, []nrd.VRM{"AB12CDE", "EF56GHJ", "ZZ1"}) {
		t.Errorf("published %v", got)
	}
	s.hits("CD34EFG", "burglars ")
	s.clock.Advance(24 * time.Hour)
	s.put("burglars", entry("AB99XYZ", ""))
	s.must(s.publish(t.Context()))
	if got := printer.marks["burglars"]; !slices.Equal(got, []nrd.VRM{"AB12CDE", "AB99XYZ", "ZZ1"}) {
		t.Errorf("published %v", got)
	}
}

func TestWhatIsInForceIsPublishedOnceAlsoAfterARestart(t *testing.T) {
	s := newSite(t)
	printer := newPrinter()
	printer.broken = errors.New("the disk is full")
	s.Publisher = printer
	s.national()
	s.arrives("NAT_WANTED_R.dat", many(0, 10))
	if err := s.publish(t.Context()); !errors.Is(err, printer.broken) || s.list("national").Published != 0 {
		t.Errorf("a publisher that failed: %v, published %d", err, s.list("national").Published)
	}
	printer.broken = nil
	s.again()
	s.must(s.publish(t.Context()))
	p := printer.lists["national"]
	if p.Version != 1 || p.Recipients != nil || !p.Made.Equal(s.list("national").InForce.Issued) || len(printer.marks["national"]) != 10 || !slices.IsSorted(printer.marks["national"]) {
		t.Errorf("published %+v with %d", p, len(printer.marks["national"]))
	}
	printer.lists = map[string]Publication{}
	s.must(s.publish(t.Context()))
	if len(printer.lists) != 0 {
		t.Error("the same version was published again")
	}
	s.must(s.store.ChangeDevice(t.Context(), "car-7", func(*store.Device) error { return nil }))
	s.must(s.Change(t.Context(), jane, "national", func(n *NewList) { n.Recipients = []string{"car-7"} }))
	s.must(s.publish(t.Context()))
	if p = printer.lists["national"]; p.Version != 2 || !slices.Equal(p.Recipients, []string{"car-7"}) {
		t.Errorf("with other recipients it is %+v", p)
	}
	s.must(s.Withdraw(t.Context(), jane, "national", "no longer needed"))
	s.must(s.publish(t.Context()))
	if _, there := printer.lists["national"]; there {
		t.Error("a withdrawn list is still published")
	}
	s.onlyInForce()
}

func TestALocalListIsVouchedForAgainBeforeItIsLate(t *testing.T) {
	s := newSite(t)
	printer := newPrinter()
	s.Publisher = printer
	s.localList("burglars")
	s.put("burglars", entry("AB12CDE", ""))
	for range 30 {
		s.must(s.publish(t.Context()))
		now := s.clock.Now()
		if f := s.Profile.ListFreshness(s.list("burglars").InForce, s.clock.Stamp()); f != nrd.Fresh {
			t.Fatalf("at %s central's own list is %s", now, f)
		}
		if p := printer.lists["burglars"]; now.After(p.Expires) {
			t.Fatalf("at %s the published one has expired at %s", now, p.Expires)
		}
		s.clock.Advance(3 * time.Hour)
	}
	s.hits("AB12CDE", "burglars ")
}

func (s *site) file(name, text string) *voi.File {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), name)
	s.must(os.WriteFile(path, []byte(text), 0o600))
	f, err := voi.Open(path)
	s.must(err)
	s.t.Cleanup(func() { f.Close() })
	return f
}

func TestALocalListIsLoadedFromAFileWithAReport(t *testing.T) {
	s := newSite(t)
	s.localList("burglars")
	load := func(name, text string, u Upload) (store.ListImport, error) {
		return s.Import(t.Context(), jane, "burglars", s.file(name, text), u)
	}
	why := Upload{Rationale: "operation Foo"}
	i, err := load("x.csv", line("AB12CDE", "1")+"rubbish\r\n"+line("CD34EFG", "")+line("CD34EFG", "")+strings.Replace(line("EF1", ""), "2027-01-31", "2020-01-31", 1), why)
	if err != nil || i.State != store.ImportLoaded || i.Entries != 2 || i.Report.Refused != 3 || i.Report.Accepted != 2 {
		t.Fatalf("%+v, %v\n%s", i, err, i.Report.String())
	}
	for _, want := range []string{"line 2: refused", "line 4: refused: has the same", "line 5: refused: the weed date 2020-01-31 has passed"} {
		if !strings.Contains(i.Report.String(), want) {
			t.Errorf("the report does not say %q:\n%s", want, i.Report.String())
		}
	}
	s.hits("AB12CDE", "burglars 1")
	if i, err = load("A_B_I.dat", line("ZZ1", ""), Upload{}); err != nil || i.State != store.ImportRefused || !strings.Contains(i.Report.String(), "priority") {
		t.Errorf("priorities without a rationale: %+v, %v", i, err)
	}
	if i, err = load("A_B_I.dat", line("ZZ1", ""), why); err != nil || i.Entries != 3 {
		t.Errorf("inserted: %+v, %v", i, err)
	}
	if i, err = load("A_B_D.dat", line("CD34EFG", ""), Upload{Sure: true}); err != nil || i.Entries != 2 {
		t.Errorf("deleted: %+v, %v", i, err)
	}
	made := s.entries("burglars")[0].Created
	s.clock.Advance(time.Hour)
	if _, err = load("x.csv", line("AB12CDE", "1"), why); !errors.Is(err, ErrShrinks) || len(s.entries("burglars")) != 2 {
		t.Errorf("half the list gone without a word: %v", err)
	}
	sure := why
	sure.Sure, sure.Covert = true, true
	if i, err = load("x.csv", line("AB12CDE", "1"), sure); err != nil || i.Entries != 1 {
		t.Errorf("replaced: %+v, %v", i, err)
	}
	if e := s.entries("burglars")[0]; !e.Covert || !e.Created.Equal(made) {
		t.Errorf("the entry that stayed is %+v", e)
	}
	if _, err = load("A_B_I.dat", (line("ZZ1", "") + line("ZZ2", ""))[:100], why); !errors.Is(err, ErrShrinks) || len(s.entries("burglars")) != 1 {
		t.Errorf("a file that is cut off, without a word: %v", err)
	}
	if i, err = load("x.csv", "\xff\xfeA\x00", why); err != nil || i.State != store.ImportRefused {
		t.Errorf("UTF-16: %+v, %v", i, err)
	}
	s.hits("AB12CDE", "burglars 1")
}

func TestAnExportIsSafeInASpreadsheetAndComesBackAsItWas(t *testing.T) {
	s := newSite(t)
	s.localList("burglars")
	var want []string
	for n, evil := range []string{`=cmd|' /C calc'!A0`, "+1+1", "-2+3", "@SUM(A1)", "'=1", "＝1", `=HYPERLINK("http://x","y")`, "harmless, with a comma", "'quoted'"} {
		e := entry("AB12CDE", string(rune('a'+n)))
		e.Reason, e.Information, e.Markers = evil, evil, []string{strings.Fields(strings.NewReplacer(",", "", "|", "", "/", "").Replace(evil))[0]}
		s.put("burglars", e)
		want = append(want, evil)
	}
	var b bytes.Buffer
	if err := s.Export(t.Context(), jane, "burglars", "", "", &b); !errors.Is(err, access.ErrReason) || b.Len() > 0 {
		t.Errorf("exported without a reason: %v, %q", err, b.String())
	}
	s.must(s.Export(t.Context(), jane, "burglars", "", "for the prosecution", &b))
	text := b.String()
	for _, cell := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		if cell = strings.TrimLeft(cell, `"`); cell != "" && strings.ContainsAny(cell[:1], "=+-@") {
			t.Errorf("a spreadsheet would reckon with %q", cell)
		}
	}
	before := s.entries("burglars")
	i, err := s.Import(t.Context(), jane, "burglars", s.file("x.csv", text), Upload{Rationale: "brought back", Sure: true})
	if err != nil || i.Entries != len(want) {
		t.Fatalf("%+v, %v\n%s", i, err, i.Report.String())
	}
	for n, e := range s.entries("burglars") {
		if e.Reason != want[n] || e.Information != want[n] || !slices.Equal(e.Markers, before[n].Markers) || e.ID != before[n].ID {
			t.Errorf("%q came back as %q and %v", want[n], e.Reason, e.Markers)
		}
	}
}

func TestEveryLookAndEveryActIsJudgedAndLogged(t *testing.T) {
	s := newSite(t)
	s.localList("burglars")
	sam := access.By{Account: "sam.hill"}
	for name, act := range map[string]func(by access.By) error{
		"list create": func(by access.By) error {
			return s.Create(t.Context(), by, NewList{Name: "x", Owner: "y", Purpose: store.ForResponse})
		},
		"list change": func(by access.By) error {
			return s.Change(t.Context(), by, "burglars", func(n *NewList) { n.Owner = "y" })
		},
		"list review":    func(by access.By) error { return s.Review(t.Context(), by, "burglars", "still needed", time.Time{}) },
		"list entry add": func(by access.By) error { return s.PutEntry(t.Context(), by, "burglars", entry("AB1", "added")) },
		"list entry remove": func(by access.By) error {
			return s.RemoveEntry(t.Context(), by, "burglars", s.entries("burglars")[0].ID, "gone")
		},
		"list import": func(by access.By) error {
			_, err := s.Import(t.Context(), by, "burglars", s.file("a.csv", line("AB1", "")), Upload{Rationale: "x"})
			return err
		},
		"list export": func(by access.By) error { return s.Export(t.Context(), by, "burglars", "", "needed", &bytes.Buffer{}) },
		"view lists":  func(by access.By) error { _, err := s.All(t.Context(), by); return err },
		"view list": func(by access.By) error {
			_, _, err := s.One(t.Context(), by, store.EntryQuery{List: "burglars"})
			return err
		},
		"view list imports":  func(by access.By) error { _, err := s.Imports(t.Context(), by, "burglars", 1); return err },
		"view list import":   func(by access.By) error { _, err := s.ImportOf(t.Context(), by, 1); return err },
		"view hit alarms":    func(by access.By) error { _, err := s.Hits(t.Context(), by, store.HitQuery{}, "needed"); return err },
		"list import reject": func(by access.By) error { return s.Reject(t.Context(), by, 1, "needed") },
	} {
		if name == "list entry remove" {
			s.put("burglars", entry("ZZ1", name))
		}
		before := s.list("burglars")
		if err := act(sam); name != "view hit alarms" && !errors.Is(err, access.ErrDenied) {
			t.Errorf("an officer's %s: %v", name, err)
		}
		if after := s.list("burglars"); after.Changes != before.Changes || after.InForce != before.InForce || after.Owner != before.Owner {
			t.Errorf("an officer's %s changed the list", name)
		}
		lines := s.lines()
		if got := lines[len(lines)-1]; !strings.HasPrefix(got, "sam.hill: "+name+": ") {
			t.Errorf("an officer's %s is logged as %q", name, got)
		}
		if err := act(jane); err != nil && !errors.Is(err, ErrInvalid) && !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a manager's %s: %v", name, err)
		}
		lines = s.lines()
		if got := lines[len(lines)-1]; got != "jane.doe: "+name+": ok" {
			t.Errorf("a manager's %s is logged as %q", name, got)
		}
	}
}

func TestAChangeThatCouldNotBeBuiltIsInForceAtTheNextLook(t *testing.T) {
	s := newSite(t)
	s.localList("burglars")
	s.must(s.store.ChangeEntries(t.Context(), "burglars", store.EntryChange{Put: []store.ListEntry{entry("AB12CDE", "1")}}, store.Retrospect{}))
	s.hits("AB12CDE")
	s.must(s.lookAfter(t.Context()))
	s.hits("AB12CDE", "burglars 1")
	version := s.list("burglars").InForce.Version
	s.must(s.lookAfter(t.Context()))
	if again := s.list("burglars").InForce.Version; again != version {
		t.Errorf("a list that is well was built anew: version %d, then %d", version, again)
	}
}

func TestAStoreFromAnOlderBackupLeapsOverTheVersionsThatUnitsHave(t *testing.T) {
	s := newSite(t)
	printer := newPrinter()
	s.Publisher = printer
	s.localList("burglars")
	s.put("burglars", entry("AB12CDE", ""))
	printer.lists["burglars"] = Publication{Name: "burglars", Version: 1500}
	for range 2 {
		if err := s.publish(t.Context()); !errors.Is(err, ErrPublished) {
			t.Fatalf("a lower version was published: %v", err)
		}
	}
	s.must(s.publish(t.Context()))
	if p := printer.lists["burglars"]; p.Version <= 1500 || len(printer.marks["burglars"]) != 1 {
		t.Errorf("published is %+v", p)
	}
}

func TestAChangeOfAListKeepsWhatItDoesNotGive(t *testing.T) {
	s := newSite(t)
	s.must(s.store.ChangeDevice(t.Context(), "car-7", func(*store.Device) error { return nil }))
	review := noon.AddDate(0, 3, 0)
	s.must(s.Create(t.Context(), jane, NewList{
		Name: "national", Source: "NAT_WANTED", Every: 8 * time.Hour, Owner: "National desk", Purpose: store.ForIntelligence,
		Recipients: []string{"car-7"}, Near: true, Review: review,
	}))
	s.must(s.Change(t.Context(), jane, "national", func(n *NewList) { n.Owner = "Insp Kerr" }))
	l := s.list("national")
	if l.Owner != "Insp Kerr" || l.Every != 8*time.Hour || l.Purpose != store.ForIntelligence || !slices.Equal(l.Recipients, []string{"car-7"}) || !l.Near || !l.Review.Equal(review) {
		t.Errorf("with another owner it is %+v", l)
	}
	s.must(s.Change(t.Context(), jane, "national", func(n *NewList) { n.Name, n.Source, n.Status, n.Recipients, n.Near = "x", "", true, nil, false }))
	if l = s.list("national"); l.Source != "NAT_WANTED" || l.Status || l.Recipients != nil || l.Near {
		t.Errorf("what stays, or what was taken away: %+v", l)
	}
}

func TestAListThatComesInFilesIsNeverWithoutAnAlarmForTheOneThatIsMissing(t *testing.T) {
	s := newSite(t)
	s.Limits.Late = time.Hour
	s.must(s.Create(t.Context(), jane, NewList{Name: "national", Source: "NAT_WANTED", Owner: "National desk", Purpose: store.ForResponse}))
	s.must(s.Change(t.Context(), jane, "national", func(n *NewList) { n.Every = 0 }))
	overdue := func(when string, want bool) {
		t.Helper()
		s.must(s.watch(t.Context()))
		if text := s.alarmAbout("list national", alarm.Extract); strings.Contains(text, "no file has come, one is due every 24 h") != want {
			t.Errorf("%s the alarm says %q", when, text)
		}
	}
	s.clock.Advance(24 * time.Hour)
	overdue("after a day", false)
	s.clock.Advance(2 * time.Hour)
	overdue("after a day and what may be late", true)
	// As lists were that were made before each of them had a time.
	s.must(s.store.ChangeList(t.Context(), "national", func(l *store.List) error { l.Every = 0; return nil }))
	overdue("of a list without a time", true)
}
