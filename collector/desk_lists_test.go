package collector

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const listLine = "AB12 CDE,FORD,FOCUS,BLUE,High,WE,Stolen,,,,2027-01-31,,,,,\r\n"

func TestListsAreMadeLoadedAndExportedByCommand(t *testing.T) {
	c := staffed(t)
	jane := openDesk(t, c, "jane.doe")
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(jane.CreateList(ctx, ListSettings{Name: "burglars", Owner: "DI Gray", Purpose: "response"}))
	if err := jane.CreateList(ctx, ListSettings{Name: "other", Owner: "DI Gray", Purpose: "response", Recipients: []string{"national"}}); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "national recipient") {
		t.Errorf("a national recipient: %v", err)
	}
	weed := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
	must(jane.PutListEntry(ctx, ListedEntry{List: "burglars", VRM: "kp63 rmy", Priority: "high", Rationale: "violent", Weed: weed, Covert: true, Markers: []string{"VI"}}))
	entries, err := jane.ListEntries(ctx, ListQuery{List: "burglars"})
	if err != nil || len(entries) != 1 || entries[0].VRM != "KP63RMY" || entries[0].Creator != "jane.doe" || entries[0].State != "in force" || !entries[0].Covert || !entries[0].Weed.Equal(weed) {
		t.Fatalf("entries %+v, %v", entries, err)
	}
	for _, vrm := range []string{"ZZ4", "ZZ1", "ZZ3", "ZZ2"} {
		must(jane.PutListEntry(ctx, ListedEntry{List: "burglars", VRM: vrm, Priority: "none", Weed: weed}))
	}
	for _, page := range []int{0, 1, 2, 5} {
		all, err := jane.ListEntries(ctx, ListQuery{List: "burglars", Limit: page})
		var vrms []string
		for _, e := range all {
			vrms = append(vrms, e.VRM)
		}
		if err != nil || !slices.Equal(vrms, []string{"KP63RMY", "ZZ1", "ZZ2", "ZZ3", "ZZ4"}) {
			t.Errorf("in pages of %d the entries are %q, %v", page, vrms, err)
		}
	}
	for _, e := range []uint64{2, 3, 4, 5} {
		must(jane.RemoveListEntry(ctx, "burglars", e, "gone"))
	}
	file := filepath.Join(t.TempDir(), "B_X_I.dat")
	must(os.WriteFile(file, []byte(listLine+"rubbish\r\n"), 0o600))
	i, err := jane.ImportList(ctx, ListFile{List: "burglars", Path: file, Rationale: "operation Foo"})
	if err != nil || i.State != "loaded" || i.Entries != 2 || !slices.Equal(i.Report, []string{"line 2: refused: 1 columns where 16 are needed"}) {
		t.Errorf("the import is %+v, %v", i, err)
	}
	if again, err := jane.ListImport(ctx, i.ID); err != nil || !slices.Equal(again.Report, i.Report) {
		t.Errorf("the report is kept as %+v, %v", again, err)
	}
	if text, err := jane.ExportList(ctx, "burglars", "", "for the prosecution"); err != nil || strings.Count(text, "\n") != 3 || !strings.Contains(text, "AB12CDE,FORD") {
		t.Errorf("the export is %q, %v", text, err)
	}
	if _, err := jane.ExportList(ctx, "burglars", "", ""); !errors.Is(err, ErrRefused) {
		t.Errorf("an export without a reason: %v", err)
	}
	must(jane.RemoveListEntry(ctx, "burglars", entries[0].ID, "arrested"))
	must(jane.ReviewList(ctx, "burglars", "still needed", time.Time{}))
	all, err := jane.Lists(ctx)
	if err != nil || len(all) != 1 || all[0].Entries != 1 || all[0].ReviewedBy != "jane.doe" {
		t.Errorf("lists %+v, %v", all, err)
	}
	must(jane.WithdrawList(ctx, "burglars", "no longer needed"))
	if err := jane.PutListEntry(ctx, ListedEntry{List: "burglars", VRM: "A1", Priority: "none", Weed: weed}); !errors.Is(err, ErrInvalid) {
		t.Errorf("an entry of a withdrawn list: %v", err)
	}
	if _, err := jane.ImportList(ctx, ListFile{List: "burglars", Path: filepath.Join(t.TempDir(), "none")}); !errors.Is(err, ErrInvalid) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestAFileThatWaitsIsDecidedByCommand(t *testing.T) {
	c := staffed(t)
	jane := openDesk(t, c, "jane.doe")
	ctx := t.Context()
	if err := jane.CreateList(ctx, ListSettings{Name: "national", Source: "NAT_WANTED", Every: 8 * 3600, Owner: "Desk", Purpose: "response"}); err != nil {
		t.Fatal(err)
	}
	load := func(text string) ListImport {
		t.Helper()
		file := filepath.Join(t.TempDir(), "NAT_WANTED_R.dat")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		i, err := jane.ImportList(ctx, ListFile{List: "national", Path: file})
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	var whole strings.Builder
	for _, vrm := range []string{"A1", "A2", "A3", "A4", "A5", "A6"} {
		whole.WriteString(strings.Replace(listLine, "AB12 CDE", vrm, 1))
	}
	load(whole.String())
	held := load(listLine)
	if held.State != "held" {
		t.Fatalf("it is %+v", held)
	}
	if err := jane.DecideImport(ctx, held.ID, true, ""); !errors.Is(err, ErrRefused) {
		t.Errorf("without a reason: %v", err)
	}
	if err := jane.DecideImport(ctx, held.ID, true, "the sender confirms it"); err != nil {
		t.Fatal(err)
	}
	imports, err := jane.ListImports(ctx, "national")
	if err != nil || len(imports) != 2 || imports[0].State != "approved" || imports[0].DecidedBy != "jane.doe" {
		t.Errorf("imports %+v, %v", imports, err)
	}
	if hits, err := jane.ListHits(ctx, "national", "incident 7"); err != nil || len(hits) != 0 {
		t.Errorf("hits %+v, %v", hits, err)
	}
	if _, err := jane.ListHits(ctx, "national", ""); !errors.Is(err, ErrRefused) {
		t.Errorf("hits without a reason: %v", err)
	}
}
