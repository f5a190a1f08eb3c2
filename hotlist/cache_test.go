package hotlist

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nrd"
	"nrd/hotlist/voi"
	"nrd/internal/clock"
	"nrd/internal/sealed"
)

var noon = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

// unit is a cache with what it needs, in a folder of its own.
type unit struct {
	t      *testing.T
	config CacheConfig
	clock  *clock.Manual
	log    *bytes.Buffer
	*Cache
}

func newUnit(t *testing.T) *unit {
	u := &unit{t: t, clock: clock.NewManual(noon), log: &bytes.Buffer{}}
	u.config = CacheConfig{
		Path: filepath.Join(t.TempDir(), "lists"), Key: sealed.NewKey(), Clock: u.clock,
		Log: slog.New(slog.NewTextHandler(u.log, nil)),
	}
	u.open()
	return u
}

func (u *unit) open() {
	u.t.Helper()
	var err error
	if u.Cache, err = Open(u.config); err != nil {
		u.t.Fatal(err)
	}
	opened := u.Cache
	u.t.Cleanup(func() {
		if err := opened.Close(); err != nil && !errors.Is(err, os.ErrClosed) { // closed by restart
			u.t.Error(err)
		}
	})
}

// restart closes the cache, lets do happen to its folder, and opens it again.
func (u *unit) restart(do func(files []string)) {
	u.t.Helper()
	if err := u.Close(); err != nil {
		u.t.Fatal(err)
	}
	do(u.paths())
	u.open()
}

// paths gives the files of lists in force.
func (u *unit) paths() []string {
	u.t.Helper()
	var paths []string
	for _, suffix := range []string{listSuffix, statusSuffix} {
		found, err := filepath.Glob(filepath.Join(u.config.Path, "*"+suffix))
		if err != nil {
			u.t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	return paths
}

// load imports entries under a file name, "" for a plain one.
func (u *unit) load(list, name string, entries ...nrd.Entry) (*voi.Report, error) {
	u.t.Helper()
	if name == "" {
		name = "list.csv"
	}
	var b bytes.Buffer
	if err := voi.Write(&b, slices.Values(entries)); err != nil {
		u.t.Fatal(err)
	}
	return u.Import(u.t.Context(), list, u.file(name, b.Bytes()))
}

func (u *unit) mustLoad(list, name string, entries ...nrd.Entry) *voi.Report {
	u.t.Helper()
	report, err := u.load(list, name, entries...)
	if err != nil {
		u.t.Fatal(err)
	}
	return report
}

// file writes a file that was changed six hours ago.
func (u *unit) file(name string, data []byte) string {
	u.t.Helper()
	path := filepath.Join(u.t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		u.t.Fatal(err)
	}
	if err := os.Chtimes(path, noon, noon.Add(-6*time.Hour)); err != nil {
		u.t.Fatal(err)
	}
	return path
}

// found gives the references of the hits for v, in their order.
func (u *unit) found(v nrd.VRM) string {
	u.t.Helper()
	hits, err := u.Match(v)
	if err != nil {
		u.t.Fatal(err)
	}
	var refs []string
	for _, h := range hits {
		refs = append(refs, h.Entry.Reference)
	}
	return strings.Join(refs, " ")
}

func (u *unit) version(list string) nrd.ListVersion {
	u.t.Helper()
	versions, err := u.Lists()
	if err != nil {
		u.t.Fatal(err)
	}
	for _, v := range versions {
		if v.List == list {
			return v
		}
	}
	return nrd.ListVersion{}
}

func entry(v nrd.VRM, p nrd.Priority, reference string) nrd.Entry {
	return nrd.Entry{VRM: v, Priority: p, Reference: reference}
}

func TestAHitCarriesTheWholeEntryTheListsVersionAndItsAge(t *testing.T) {
	u := newUnit(t)
	want := nrd.Entry{
		VRM: "AB12CDE", Make: "FORD", Model: "FOCUS", Colour: "BLUE", Priority: nrd.PriorityHigh, Action: "High, stop",
		Markers: []string{"VI", "WE"}, Reason: "Stolen", Intelligence: "B22", Information: "Stop", Force: "Anyshire",
		Weed: noon.AddDate(0, 1, 0).Truncate(24 * time.Hour), NationalID: "N1", Marking: "OFFICIAL", CAD: "C7",
		Instructions: "call", Reference: "R1",
	}
	u.mustLoad("wanted", "", entry("XY1", nrd.PriorityLow, "R0"), want)
	u.clock.Advance(3 * time.Hour)
	hits, err := u.Match("AB12CDE")
	if err != nil || len(hits) != 1 {
		t.Fatalf("%v, %v", hits, err)
	}
	h := hits[0]
	want.List, want.Line = "wanted", 2
	if fmt.Sprint(h.Entry) != fmt.Sprint(want) || h.Match != nrd.MatchExact || h.Provisional {
		t.Errorf("got  %+v\nwant %+v", h.Entry, want)
	}
	if h.ListAge != 9*time.Hour {
		t.Errorf("the list is %v old at the match, want 9 h", h.ListAge)
	}
	if wantList := (nrd.ListVersion{List: "wanted", Version: 1, Issued: noon.Add(-6 * time.Hour), Loaded: noon, Entries: 2}); h.List != wantList {
		t.Errorf("got %+v, want %+v", h.List, wantList)
	}
}

func TestOnlyTheVeryVRMMatches(t *testing.T) {
	u := newUnit(t)
	u.mustLoad("wanted", "", entry("AB12CDE", nrd.PriorityHigh, "R1"))
	for _, v := range []nrd.VRM{"AB12CDF", "AB12CD", "AB12CDEE", "8B12CDE", "AB12COE", "A", ""} {
		if got := u.found(v); got != "" {
			t.Errorf("%q hits %s", v, got)
		}
	}
}

func TestSeveralEntriesOfOneVRMComeHighestPriorityFirst(t *testing.T) {
	u := newUnit(t)
	u.mustLoad("wanted", "", entry("AB12CDE", nrd.PriorityLow, "low"), entry("AB12CDE", nrd.PriorityHigh, "high"), entry("AB12CDE", nrd.PriorityNone, "none"))
	u.mustLoad("local", "", entry("AB12CDE", nrd.PriorityMedium, "medium"))
	if got := u.found("AB12CDE"); got != "high medium low none" {
		t.Errorf("got %s", got)
	}
}

func TestAnExpiredEntryNeverMatches(t *testing.T) {
	u := newUnit(t)
	e := entry("AB12CDE", nrd.PriorityHigh, "R1")
	e.Weed = time.Date(2026, time.November, 24, 0, 0, 0, 0, time.UTC)
	u.mustLoad("wanted", "", e)
	if u.found("AB12CDE") == "" {
		t.Error("it does not match before its weed date")
	}
	u.clock.Set(time.Date(2026, time.November, 25, 0, 0, 0, 0, time.UTC))
	if u.found("AB12CDE") != "" {
		t.Error("it matches after its weed date")
	}
}

func TestAClockThatFellBackTo1970WakesNoExpiredEntry(t *testing.T) {
	u := newUnit(t)
	e := entry("AB12CDE", nrd.PriorityHigh, "R1")
	e.Weed = time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)
	u.mustLoad("wanted", "", e)
	u.clock.Reboot()
	if u.found("AB12CDE") != "" {
		t.Error("the expired entry matches")
	}
}

func TestAListFromTheFutureOfAProvedClockIsIssuedNow(t *testing.T) {
	u := newUnit(t)
	u.clock.Set(noon.Add(-24 * time.Hour)) // the file is of noon less six hours
	u.mustLoad("wanted", "", entry("A1", nrd.PriorityNone, "R1"))
	if got := u.version("wanted").Issued; !got.Equal(noon.Add(-24 * time.Hour)) {
		t.Errorf("issued %s", got)
	}
	u.clock.Reboot()
	u.mustLoad("wanted", "", entry("A1", nrd.PriorityNone, "R1"))
	if got := u.version("wanted").Issued; !got.Equal(noon.Add(-6 * time.Hour)) {
		t.Errorf("with an unproved clock: issued %s", got)
	}
}

func TestReplaceInsertAndDeleteDoWhatTheirNamesSay(t *testing.T) {
	u := newUnit(t)
	u.mustLoad("wanted", "nat_wanted_R.dat", entry("A1", nrd.PriorityLow, "R1"), entry("A1", nrd.PriorityLow, "R2"), entry("B2", nrd.PriorityLow, "R3"))
	u.mustLoad("wanted", "nat_wanted_I.dat", entry("A1", nrd.PriorityHigh, "R2"), entry("C3", nrd.PriorityLow, "R4"))
	if got := u.found("A1") + "," + u.found("B2") + "," + u.found("C3"); got != "R2 R1,R3,R4" {
		t.Errorf("after the insert: %s", got)
	}
	report := u.mustLoad("wanted", "nat_wanted_D.dat", entry("A1", nrd.PriorityHigh, "R2"), entry("D4", nrd.PriorityHigh, "R9"))
	if got := u.found("A1") + "," + u.found("B2") + "," + u.found("C3"); got != "R1,R3,R4" {
		t.Errorf("after the delete: %s", got)
	}
	if len(report.Problems) != 1 || report.Problems[0].String() != "line 2: warning: is not in the list" {
		t.Errorf("the delete reported %v", report.Problems)
	}
	if v := u.version("wanted"); v.Version != 3 || v.Entries != 3 {
		t.Errorf("the list in force is %+v", v)
	}
	u.mustLoad("wanted", "nat_wanted_R.dat", entry("E5", nrd.PriorityLow, "R5"))
	if got := u.found("A1") + "," + u.found("E5"); got != ",R5" {
		t.Errorf("after the replace: %s", got)
	}
	if _, err := u.load("other", "nat_other_D.dat", entry("A1", nrd.PriorityLow, "R1")); !errors.Is(err, ErrNoList) {
		t.Errorf("a delete without a list: %v", err)
	}
	u.restart(func([]string) {})
	if got := u.found("E5"); got != "R5" {
		t.Errorf("after a restart: %s", got)
	}
}

func TestAnEntryThatStandsTwiceIsTakenFromItsFirstLineAndReported(t *testing.T) {
	u := newUnit(t)
	report := u.mustLoad("wanted", "", entry("A1", nrd.PriorityLow, "R1"), entry("B2", nrd.PriorityLow, "R1"), entry("A1", nrd.PriorityHigh, "R1"))
	if report.Accepted != 2 || report.Refused != 1 || report.Problems[0].String() != "line 3: refused: has the same VRM and source reference as line 1" {
		t.Errorf("reported %s", report)
	}
	hits, err := u.Match("A1")
	if err != nil || len(hits) != 1 || hits[0].Entry.Priority != nrd.PriorityLow {
		t.Errorf("%v, %v", hits, err)
	}
}

func TestABrokenLineIsReportedAndTheRestIsInForce(t *testing.T) {
	u := newUnit(t)
	text := "A1,,,,high,,,,,,2027-01-01,,,,,R1\nthis is no entry\nB2,,,,low,,,,,,01/02/2027,,,,,R2\n"
	report, err := u.Import(t.Context(), "wanted", u.file("wanted.csv", []byte(text)))
	if err != nil || report.Refused != 1 || report.Problems[0].Line != 2 {
		t.Fatal(err, report)
	}
	if got := u.found("A1") + u.found("B2"); got != "R1R2" {
		t.Errorf("in force: %s", got)
	}
}

func TestTheVersionCountsUpThroughRestartsAndDamage(t *testing.T) {
	u := newUnit(t)
	for want := uint64(1); want <= 3; want++ {
		u.mustLoad("wanted", "", entry("A1", nrd.PriorityLow, "R1"))
		if got := u.version("wanted").Version; got != want {
			t.Errorf("version %d, want %d", got, want)
		}
		u.restart(func([]string) {})
	}
	u.restart(func(files []string) { overwrite(t, files[0], 0) })
	u.mustLoad("wanted", "", entry("A1", nrd.PriorityLow, "R1"))
	if got := u.version("wanted").Version; got != 4 {
		t.Errorf("after damage: version %d, want 4", got)
	}
	if left := names(t, u.config.Path); len(left) != 3 {
		t.Errorf("the folder holds %v, want the lock, the floors and one list", left)
	}
}

func TestARemovedListMatchesNoLonger(t *testing.T) {
	u := newUnit(t)
	u.mustLoad("wanted", "", entry("A1", nrd.PriorityLow, "R1"))
	if err := u.Remove("wanted"); err != nil {
		t.Fatal(err)
	}
	u.restart(func([]string) {})
	if u.found("A1") != "" || u.version("wanted").Version != 0 {
		t.Error("the list is still in force")
	}
	if err := u.Remove("wanted"); !errors.Is(err, ErrNoList) {
		t.Errorf("removed twice: %v", err)
	}
}

func TestTheFolderShowsNeitherVRMsNorListsNorWhatEntriesSay(t *testing.T) {
	u := newUnit(t)
	var entries []nrd.Entry
	for n := range 2000 {
		e := entry(nrd.VRM(fmt.Sprintf("AB%02dC%c%c", n%100, 'A'+n/100%8, 'A'+n/800)), nrd.PriorityHigh, fmt.Sprintf("SECRETREF%d", n))
		e.Make, e.Reason = "LAMBORGHINI", "informant said so"
		entries = append(entries, e)
	}
	u.mustLoad("operation-nightjar", "", entries...)
	secrets := []string{"LAMBORGHINI", "informant", "SECRETREF", "nightjar"}
	for _, e := range entries {
		secrets = append(secrets, string(e.VRM))
	}
	for _, name := range names(t, u.config.Path) {
		data, err := os.ReadFile(filepath.Join(u.config.Path, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range secrets {
			if bytes.Contains(data, []byte(s)) || strings.Contains(name, s) {
				t.Fatalf("%s shows %s", name, s)
			}
		}
	}
	if strings.Contains(u.log.String(), "AB") {
		t.Errorf("the log shows a VRM: %s", u.log)
	}
}

func TestASecondProcessIsToldThatTheCacheIsInUse(t *testing.T) {
	u := newUnit(t)
	if second, err := Open(u.config); !errors.Is(err, ErrInUse) {
		t.Errorf("opened twice: %v, %v", second, err)
	}
}

func TestMatchingGoesOnWhileListsAreImported(t *testing.T) {
	u := newUnit(t)
	u.mustLoad("wanted", "", entry("A1", nrd.PriorityLow, "R1"))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		for ctx.Err() == nil {
			if hits, err := u.Match("A1"); err != nil || len(hits) != 1 {
				done <- fmt.Errorf("%d hits, %w", len(hits), err)
				return
			}
		}
		done <- nil
	}()
	for range 20 {
		u.mustLoad("wanted", "", entry("A1", nrd.PriorityLow, "R1"))
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range files {
		all = append(all, f.Name())
	}
	return all
}
