package hotlist

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nrd"
	"nrd/hotlist/voi"
	"nrd/internal/clock"
	"nrd/internal/sealed"
)

func TestAnImportThatFailsKeepsTheOldListInForce(t *testing.T) {
	good := "XY1,,,,high,,,,,,,,,,,NEW\n"
	var whole bytes.Buffer
	z := zip.NewWriter(&whole)
	w, err := z.CreateHeader(&zip.FileHeader{Name: "nat_wanted_R.dat", Method: zip.Store})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(strings.Repeat(good, 1000))); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(whole.Bytes())
	damaged[len(damaged)-500] ^= 0x02 // in the last of its text: all before it was read
	for _, c := range []struct {
		sentence string
		data     []byte
		want     error
	}{
		{"an empty file", nil, voi.ErrNoEntries},
		{"binary rubbish", bytes.Repeat([]byte{0x13, 0x00, 0xfe, 0x0a}, 5000), voi.ErrNoEntries},
		{"UTF-16", []byte("\xff\xfeX\x00Y\x001\x00"), voi.ErrUTF16},
		{"a truncated ZIP", whole.Bytes()[:whole.Len()-30], voi.ErrZIP},
		{"a ZIP that is damaged at its end", damaged, voi.ErrZIP},
	} {
		u := newUnit(t)
		u.mustLoad("wanted", "", entry("A1", nrd.PriorityLow, "R1"))
		if _, err := u.Import(t.Context(), "wanted", u.file("list.zip", c.data)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.sentence, err, c.want)
		}
		u.stillHoldsOnly(c.sentence, "R1", 1)
	}
}

func TestAnImportThatIsCancelledKeepsTheOldListInForce(t *testing.T) {
	u := newUnit(t)
	u.mustLoad("wanted", "", entry("A1", nrd.PriorityLow, "R1"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := u.Import(ctx, "wanted", u.file("list.csv", []byte("XY1,,,,high,,,,,,,,,,,NEW\n"))); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	u.stillHoldsOnly("cancelled", "R1", 1)
}

// stillHoldsOnly checks what is in force, now and after a restart, and that
// nothing else lies in the folder.
func (u *unit) stillHoldsOnly(sentence, reference string, version uint64) {
	u.t.Helper()
	for _, when := range []string{"at once", "after a restart"} {
		if got := u.found("A1") + u.found("XY1"); got != reference {
			u.t.Errorf("%s, %s: %q is in force, want %q", sentence, when, got, reference)
		}
		if v := u.version("wanted"); v.Version != version {
			u.t.Errorf("%s, %s: version %d is in force, want %d", sentence, when, v.Version, version)
		}
		u.restart(func([]string) {})
	}
	if left := names(u.t, u.config.Path); len(left) != 3 {
		u.t.Errorf("%s: the folder holds %v, want the lock, the floors and one list", sentence, left)
	}
}

// Environment of the process that TestAnImportThatIsKilled kills.
const (
	killFolder = "NRD_TEST_IMPORT_FOLDER"
	killFile   = "NRD_TEST_IMPORT_FILE"
	killKey    = "NRD_TEST_IMPORT_KEY"
)

func TestMain(m *testing.M) {
	if folder := os.Getenv(killFolder); folder != "" {
		if err := importUntilKilled(folder); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func importUntilKilled(folder string) error {
	key, err := sealed.LoadKey(os.Getenv(killKey))
	if err != nil {
		return err
	}
	cache, err := Open(CacheConfig{Path: folder, Key: key, Clock: clock.NewManual(noon), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	_, err = cache.Import(context.Background(), "wanted", os.Getenv(killFile))
	return err
}

func TestAnImportThatIsKilledKeepsTheOldListInForce(t *testing.T) {
	u := newUnit(t)
	keyFile := filepath.Join(t.TempDir(), "machine.key")
	var err error
	if u.config.Key, err = sealed.CreateKey(keyFile); err != nil {
		t.Fatal(err)
	}
	u.restart(func([]string) {})
	u.mustLoad("wanted", "", entry("A1", nrd.PriorityLow, "R1"))
	var text bytes.Buffer
	room := strings.Repeat("x", 2000)
	for n := range 10000 {
		fmt.Fprintf(&text, "XY%d,,,,high,,%s,,,,,,,,,NEW%d\n", n%9999+1, room, n)
	}
	file := u.file("list.csv", text.Bytes())
	// Killed while it reads, while it merges, and when it is about to be put
	// in force: the moment that each of these first shows on the disk.
	for _, stage := range []string{"*.new", "*.new/run-1", "*.new/built.list"} {
		u.restart(func([]string) { killImport(t, u.config.Path, file, keyFile, stage) })
		if got, v := u.found("A1"), u.version("wanted"); got != "R1" || v.Version != 1 || v.Entries != 1 {
			t.Errorf("killed at %s: %q and %+v are in force", stage, got, v)
		}
		if left := names(t, u.config.Path); len(left) != 3 {
			t.Errorf("killed at %s: the folder holds %v", stage, left)
		}
	}
	if _, err := u.Import(t.Context(), "wanted", file); err != nil {
		t.Fatal(err)
	}
	u.restart(func([]string) {})
	if got, v := u.found("A1")+u.found("XY60"), u.version("wanted"); got != "NEW59" || v.Entries != 10000 {
		t.Errorf("the import after it: %q and %+v are in force", got, v)
	}
}

// killImport starts a process that imports file and kills it as soon as
// something like stage is in the folder.
func killImport(t *testing.T, folder, file, keyFile, stage string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var complaint bytes.Buffer
	process := exec.Command(self)
	process.Env = append(os.Environ(), killFolder+"="+folder, killFile+"="+file, killKey+"="+keyFile)
	process.Stderr = &complaint
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		if seen, err := filepath.Glob(filepath.Join(folder, stage)); err != nil {
			t.Fatal(err)
		} else if len(seen) > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("%s never showed", stage)
			break
		}
		time.Sleep(100 * time.Microsecond)
	}
	if err := process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := process.Wait(); err == nil || complaint.Len() > 0 {
		t.Fatalf("the process was not killed at %s: %v %s", stage, err, &complaint)
	}
}

// TestWhateverAPowerCutLeavesTheNewestWholeListIsInForce is a table of the states
// in which a power cut can leave the folder.
func TestWhateverAPowerCutLeavesTheNewestWholeListIsInForce(t *testing.T) {
	for _, c := range []struct {
		sentence string
		// happens gets the file of version 1, that of version 2, and the
		// bytes of both.
		happens func(one, two string, oldData, newData []byte)
		want    string
		aside   bool
	}{
		{"before anything", func(one, two string, oldData, _ []byte) {
			restore(t, one, oldData)
			remove(t, two)
		}, "R1", false},
		{"with the new list half built", func(one, two string, oldData, newData []byte) {
			restore(t, one, oldData)
			remove(t, two)
			work := filepath.Join(filepath.Dir(two), "import-1.new")
			if err := os.Mkdir(work, 0o700); err != nil {
				t.Fatal(err)
			}
			restore(t, filepath.Join(work, "built"), newData[:len(newData)/2])
		}, "R1", false},
		{"with the new list in place and the old one not removed", func(one, _ string, oldData, _ []byte) {
			restore(t, one, oldData)
		}, "R2", false},
		{"with the new list's name and none of its content", func(one, two string, oldData, _ []byte) {
			restore(t, one, oldData)
			restore(t, two, nil)
		}, "R1", true},
		{"with a part of the new list's content", func(one, two string, oldData, newData []byte) {
			restore(t, one, oldData)
			restore(t, two, newData[:len(newData)/8/4096*4096]) // up to three quarters of the file are room to grow
		}, "R1", true},
		{"with the new list full of zeros", func(one, two string, oldData, newData []byte) {
			restore(t, one, oldData)
			restore(t, two, make([]byte, len(newData)))
		}, "R1", true},
		{"with the new list lost and nothing else left", func(_, two string, _, newData []byte) {
			restore(t, two, newData[:len(newData)/8])
		}, "", true},
	} {
		u := newUnit(t)
		u.mustLoad("wanted", "", manyEntries("R1")...)
		one := u.paths()[0]
		oldData := read(t, one)
		u.mustLoad("wanted", "", manyEntries("R2")...)
		two := u.paths()[0]
		newData := read(t, two)
		u.restart(func([]string) { c.happens(one, two, oldData, newData) })
		if got := u.found("A1"); got != c.want {
			t.Errorf("%s: %q is in force, want %q", c.sentence, got, c.want)
		}
		if aside := strings.Contains(strings.Join(names(t, u.config.Path), " "), corruptInfix); aside != c.aside {
			t.Errorf("%s: set aside %v, want %v", c.sentence, aside, c.aside)
		}
		u.mustLoad("wanted", "", manyEntries("R3")...)
		if got, v := u.found("A1"), u.version("wanted").Version; got != "R3" || v < 2 {
			t.Errorf("%s: the next import puts %q, version %d, in force", c.sentence, got, v)
		}
	}
}

// manyEntries fill some pages; A1 is one of them.
func manyEntries(reference string) []nrd.Entry {
	entries := []nrd.Entry{entry("A1", nrd.PriorityLow, reference)}
	for n := range 500 {
		e := entry(nrd.VRM(fmt.Sprintf("AB%02dCD%c", n%100, 'A'+n/100)), nrd.PriorityLow, reference)
		e.Information = strings.Repeat("x", 100)
		entries = append(entries, e)
	}
	return entries
}

func TestAFlippedBitAnywhereIsFoundWhenTheCacheIsOpened(t *testing.T) {
	u := newUnit(t)
	u.mustLoad("wanted", "", manyEntries("R1")...)
	path := u.paths()[0]
	whole := read(t, path)
	for at := 4096*2 + 1; at < len(whole); at += 997 {
		u.restart(func([]string) {
			changed := bytes.Clone(whole)
			changed[at] ^= 0x10
			restore(t, path, changed)
		})
		// Either the bit is in a place that nothing uses, or the list is gone.
		if v := u.version("wanted"); v.Version == 1 {
			if got := u.found("A1"); got != "R1" || v.Entries != 501 {
				t.Fatalf("a bit at %d: %q and %+v are in force", at, got, v)
			}
			continue
		}
		if !strings.Contains(u.log.String(), "import it again") {
			t.Fatalf("a bit at %d: nobody was told", at)
		}
		u.restart(func([]string) {
			for _, name := range names(t, u.config.Path) {
				if strings.Contains(name, corruptInfix) {
					remove(t, filepath.Join(u.config.Path, name))
				}
			}
		})
	}
}

func TestAListThatIsDamagedWhileItIsOpenIsSetAsideAndTheOthersStillMatch(t *testing.T) {
	u := newUnit(t)
	u.mustLoad("wanted", "", manyEntries("R1")...)
	damaged := u.paths()[0]
	u.mustLoad("local", "", entry("A1", nrd.PriorityHigh, "LOCAL"))
	if err := os.Truncate(damaged, 4096*2); err != nil { // the pages that are mapped go away
		t.Fatal(err)
	}
	hits, err := u.Match("A1")
	if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "list wanted") {
		t.Errorf("got %v", err)
	}
	if len(hits) != 1 || hits[0].Entry.Reference != "LOCAL" {
		t.Errorf("the other list gave %v", hits)
	}
	aside := func(what string, want int) {
		t.Helper()
		if n, err := u.SetAside(); err != nil || n != want {
			t.Errorf("%s: %d lists are set aside, %v; want %d", what, n, err, want)
		}
	}
	if got := u.found("A1"); got != "LOCAL" {
		t.Errorf("afterwards: %q", got)
	}
	aside("afterwards", 1)
	u.restart(func([]string) {})
	aside("after a restart", 1)
	u.mustLoad("wanted", "", manyEntries("R2")...)
	if got := u.found("A1"); got != "LOCAL R2" {
		t.Errorf("imported again: %q", got)
	}
	aside("imported again", 0)
}

func TestAListUnderAnotherKeyIsSetAside(t *testing.T) {
	u := newUnit(t)
	u.mustLoad("wanted", "", entry("A1", nrd.PriorityLow, "R1"))
	u.config.Key = sealed.NewKey()
	u.restart(func([]string) {})
	if u.found("A1") != "" || !strings.Contains(u.log.String(), "damaged") {
		t.Error("the list is in force, or nobody was told")
	}
}

func TestAListUnderTheNameOfAnotherVersionIsSetAside(t *testing.T) {
	u := newUnit(t)
	u.mustLoad("wanted", "", entry("A1", nrd.PriorityLow, "R1"))
	u.restart(func(files []string) {
		if err := os.Rename(files[0], strings.Replace(files[0], "-1.list", "-9.list", 1)); err != nil {
			t.Fatal(err)
		}
	})
	if u.found("A1") != "" {
		t.Error("an old list was put in force as a newer one")
	}
}

func overwrite(t *testing.T, path string, size int) {
	t.Helper()
	restore(t, path, make([]byte, size))
}

func restore(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
