package lists

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nrd"
	"nrd/collector/store"
	"nrd/internal/clock"
	"nrd/internal/powercut"
	"nrd/internal/sealed"
)

// cutMarks are the marks whose hits tell how far the program under test has come.
var cutMarks = []nrd.VRM{"A1", "A2", "A3", "L1", "L2"}

// cutStages are those that hit after each of its steps, with nothing before.
var cutStages = []string{"", "A1", "A1 A2", "A1 A2 A3", "A1 A2 A3 L1", "A1 A2 A3 L2"}

func cutKey() (*sealed.Key, error) { return sealed.ParseKey([]byte(strings.Repeat("k", 32))) }

// TestPowerCutProgram is the program under test: whole files, a change and a local
// list's entries.
func TestPowerCutProgram(t *testing.T) {
	disk := powercut.Dir()
	if disk == "" {
		return
	}
	key, err := cutKey()
	s := &site{t: t, dir: disk, clock: clock.NewManual(noon)}
	s.must(err)
	s.Lists = s.begin(key)
	s.must(s.store.PutAccount(t.Context(), store.Account{Name: "jane.doe", FullName: "A Person", Role: "anpr-manager"}))
	s.national()
	step := 0
	done := func() {
		step++
		s.must(powercut.Promise(disk, fmt.Sprint(step)))
	}
	for _, file := range []struct{ name, text string }{
		{"NAT_WANTED_R.dat", many(0, 200) + line("A1", "")},
		{"NAT_WANTED_R.dat", many(100, 200) + line("A1", "") + line("A2", "")},
		{"NAT_WANTED_I.dat", line("A3", "")},
	} {
		s.arrives(file.name, file.text)
		done()
	}
	s.localList("burglars")
	s.put("burglars", entry("L1", ""))
	done()
	e := s.entries("burglars")[0]
	e.VRM = "L2"
	s.put("burglars", e)
	done()
	s.end()
}

// cutLeft opens what a cut has left, and says what is not as it was promised.
func cutLeft(disk string, promises []string) (err error) {
	if err := os.MkdirAll(disk, 0o700); err != nil {
		return err
	}
	key, err := cutKey()
	if err != nil {
		return err
	}
	c := clock.NewManual(noon.Add(time.Hour))
	l, st, err := open(context.Background(), disk, key, c)
	if err != nil {
		return err
	}
	defer func() {
		l.Close()
		err = errors.Join(err, st.Close())
	}()
	var hit []string
	for _, mark := range cutMarks {
		if found := l.matched(mark, c.Stamp(), nil); len(found) == 1 {
			hit = append(hit, string(mark))
		} else if len(found) > 1 {
			return fmt.Errorf("%s hits %d times", mark, len(found))
		}
	}
	at := len(promises)
	if got := strings.Join(hit, " "); !slices.Contains(cutStages[at:min(at+2, len(cutStages))], got) {
		return fmt.Errorf("after step %d %q are hit", at, got)
	}
	lists, err := st.Lists(context.Background())
	if err != nil {
		return err
	}
	files, err := os.ReadDir(filepath.Join(disk, "lists"))
	if err != nil {
		return err
	}
	if len(files) > len(lists) {
		return fmt.Errorf("%d files are left of %d lists", len(files), len(lists))
	}
	return nil
}

func TestAPowerCutLeavesTheListBeforeOrTheListBehindInForce(t *testing.T) {
	for _, wrong := range powercut.Watch(t, "TestPowerCutProgram").Check(t, 40, cutLeft) {
		t.Error(wrong)
	}
}

// TestAnFsyncThatIsLeftOutIsNoticed plants bugs: the same program, as though it had
// left out fsyncs.
func TestAnFsyncThatIsLeftOutIsNoticed(t *testing.T) {
	trace := powercut.Watch(t, "TestPowerCutProgram")
	for name, path := range map[string]func(string) bool{
		"of the entries":          func(p string) bool { return filepath.Base(filepath.Dir(p)) == "lists" },
		"of the lists' folder":    func(p string) bool { return filepath.Base(p) == "lists" },
		"of the store's own logs": func(p string) bool { return strings.HasSuffix(p, "-wal") },
	} {
		if !trace.Without(path).Catches(t, 60, cutLeft) {
			t.Errorf("nobody notices when the fsync %s is left out", name)
		}
	}
}
