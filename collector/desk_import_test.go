package collector

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nrd"
	"nrd/collector/store/storetest"
	"nrd/internal/sealed"
	"nrd/uplink/carry"
	"nrd/uplink/wire"
)

// carriedFile writes a file of records of a device, sealed under a key in a file
// beside it.
func carriedFile(t *testing.T, device string, records int) (file, keyFile string) {
	t.Helper()
	dir := t.TempDir()
	file, keyFile = filepath.Join(dir, "carried"), filepath.Join(dir, "key")
	key, err := sealed.CreateKey(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	w, err := carry.NewWriter(f, key)
	for n := range records {
		r := storetest.Record(device, uint64(n+1), nrd.VRM(fmt.Sprintf("CA%d", n)), storetest.Noon.AddDate(0, 0, -1))
		payload, e := wire.Marshal(wire.FromRecord(&r))
		err = errors.Join(err, e, w.Add(wire.KindRecord, payload))
	}
	if err := errors.Join(err, w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return file, keyFile
}

func TestCarriedRecordsAreImportedForAReasonThatIsLogged(t *testing.T) {
	c := staffed(t)
	jane, err := OpenDesk(t.Context(), c, "jane.doe", quiet)
	if err != nil {
		t.Fatal(err)
	}
	if err := jane.ApproveDevice(t.Context(), Approval{Device: "car-7", By: "ACC Stone", Reference: "DPIA 7"}); err != nil {
		t.Fatal(err)
	}
	file, key := carriedFile(t, "car-7", 1200)
	if _, err := jane.Import(t.Context(), file, key, ""); !errors.Is(err, ErrRefused) {
		t.Errorf("without a reason: %v", err)
	}
	for what, c := range map[string]struct{ file, key string }{
		"without its key": {file, ""}, "with a key of another": {file, second(carriedFile(t, "car-7", 1))}, "no such file": {key, key},
	} {
		if got, err := jane.Import(t.Context(), c.file, c.key, "job 1234"); !errors.Is(err, ErrInvalid) || got.Items() != 0 {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
	got, err := jane.Import(t.Context(), file, key, "job 1234")
	if err != nil || got.Stored != 1200 || got.Items() != 1200 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err = jane.Import(t.Context(), file, key, "job 1234"); err != nil || got.Duplicates != 1200 || got.Items() != 1200 {
		t.Errorf("again: %+v, %v", got, err)
	}
	found, err := jane.Search(t.Context(), Enquiry{VRM: "CA1199", Reason: "job 1234"})
	if err != nil || len(found) != 1 {
		t.Errorf("a search finds %+v, %v", found, err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	other, otherKey := carriedFile(t, "car-8", 1)
	if got, err = jane.Import(t.Context(), other, otherKey, "job 1234"); err != nil || got.Later != 1 || got.Reasons["central has not approved this device"] != 1 {
		t.Errorf("of a device that is not approved: %+v, %v", got, err)
	}
	if err := os.WriteFile(file, data[:len(data)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err = jane.Import(t.Context(), file, key, "job 1234"); !errors.Is(err, ErrInvalid) || got.Duplicates < 500 {
		t.Errorf("half of it: %+v, %v", got, err)
	}
	if err := jane.Close(); err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, line := range accessLog(t, c) {
		if line.Account == "jane.doe" && strings.HasPrefix(line.Action, "import") {
			said = append(said, fmt.Sprintf("%s %s (%s)", line.Action, line.Subject, line.Reason))
		}
	}
	all := strings.Join(said, "\n")
	for _, want := range []string{"import carried (job 1234)", "import ended carried: 1200 stored, 0 held before, 0 quarantined, 0 refused, 0 left for later"} {
		if !strings.Contains(all, want) {
			t.Errorf("the log does not say %q:\n%s", want, all)
		}
	}
	if strings.Contains(all, "CA1") {
		t.Error("a mark is in the log of imports")
	}
}

func second(_, b string) string { return b }

func TestAnOfficerImportsNothing(t *testing.T) {
	c := staffed(t)
	jane := openDesk(t, c, "jane.doe")
	if err := jane.AddUser(t.Context(), NewUser{Name: "sam.hill", FullName: "Sam Hill", Role: "officer", Authoriser: "Supt Gray", Password: password}); err != nil {
		t.Fatal(err)
	}
	file, key := carriedFile(t, "car-7", 1)
	if _, err := openDesk(t, c, "sam.hill").Import(t.Context(), file, key, "job 1234"); !errors.Is(err, ErrRefused) {
		t.Errorf("got %v", err)
	}
}
