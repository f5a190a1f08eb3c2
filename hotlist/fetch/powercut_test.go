package fetch

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
	"nrd/collector/publish"
	"nrd/internal/powercut"
)

// cutSite tells the program under test where the site's keys are: what is signed with
// them must hold for the units of the test.
const cutSite = "FETCH_TEST_POWERCUT_SITE"

// cutMark stands in each list of the program under test.
const cutMark = nrd.VRM("AB12CDE")

// cutStages are what car-1 and car-2 have after each of the program's steps, with
// nothing before.
var cutStages = []string{
	" | ",
	"1 of wanted 1 | 1 of wanted 1",
	"1 of wanted 2 | 1 of wanted 2",
	"1 of wanted 2, 7 of burglars 1 | 1 of wanted 2, 7 of burglars 1",
	"1 of wanted 2 | 1 of wanted 2, 7 of burglars 2",
	" | 7 of burglars 2",
}

// TestPowerCutProgram is the program under test: a list that is published and changed, so
// that there is a delta, another one that one car may have no more, and the first
// withdrawn. A promise is made where units may have seen the number of what is published.
func TestPowerCutProgram(t *testing.T) {
	disk := powercut.Dir()
	if disk == "" {
		return
	}
	s := &site{t: t, dir: os.Getenv(cutSite), clock: proved(noon)}
	s.devices.Store(&[]string{"car-1", "car-2"})
	must(t, s.openIn(filepath.Join(disk, "lists")))
	burglars := publish.List{Name: "burglars", Version: 1, Made: noon}
	for _, step := range []func() error{
		func() error { s.publish("wanted", 1, crowd(100, entry(cutMark, "1"))...); return nil },
		func() error { s.publish("wanted", 2, crowd(101, entry(cutMark, "1"))...); return nil },
		func() error { return s.Publish(t.Context(), burglars, all([]nrd.Entry{entry(cutMark, "7")})) },
		func() error {
			burglars.Version, burglars.Recipients = 2, []string{"car-2"}
			return s.Publish(t.Context(), burglars, all([]nrd.Entry{entry(cutMark, "7")}))
		},
		func() error { return s.Withdraw(t.Context(), "wanted") },
	} {
		must(t, step())
		must(t, powercut.Promise(disk, fmt.Sprint(s.Number())))
	}
}

// cutLeft opens what a cut has left, and says what is not as it was promised: units that
// have seen a number go on, each gets whole files of one stage, and the next version too.
func (s *site) cutLeft(disk string, promises []string) error {
	if err := os.MkdirAll(disk, 0o700); err != nil {
		return err
	}
	if err := s.openIn(filepath.Join(disk, "lists")); err != nil {
		return err
	}
	at, seen := len(promises), int64(0)
	if at > 0 {
		if _, err := fmt.Sscan(promises[at-1], &seen); err != nil {
			return err
		}
	}
	if s.Number() <= seen {
		return fmt.Errorf("number %d is signed after units have seen %d", s.Number(), seen)
	}
	one, two := s.car("car-1"), s.car("car-2")
	defer one.stop()
	defer two.stop()
	if err := errors.Join(one.gets(), two.gets(), one.whole(), two.whole()); err != nil {
		return err
	}
	got := one.has(cutMark) + " | " + two.has(cutMark)
	if !slices.Contains(cutStages[at:min(at+2, len(cutStages))], got) {
		return fmt.Errorf("after step %d the cars have %q", at, got)
	}
	if err := s.onlyNamed(filepath.Join(disk, "lists"), two); err != nil {
		return err
	}
	return s.goesOn(one)
}

// goesOn publishes the next version, which leads on from what a car has.
func (s *site) goesOn(one *car) error {
	next := publish.List{Name: "wanted", Version: 9, Made: s.clock.Now()}
	if err := s.Publish(context.Background(), next, all(crowd(102, entry(cutMark, "9")))); err != nil {
		return err
	}
	if err := one.gets(); err != nil {
		return err
	}
	if got := one.has(cutMark); !strings.Contains(got, "9 of wanted 9") {
		return fmt.Errorf("of the next version the car has %q", got)
	}
	return nil
}

// onlyNamed says what lies in the folder beside the state and the files that a car which
// may have all lists is given.
func (s *site) onlyNamed(dir string, all *car) error {
	r, err := all.Trust.Refresh(context.Background())
	if err != nil {
		return err
	}
	files, err := os.ReadDir(dir)
	if err == nil && len(files) != len(r.Targets)+1 {
		err = fmt.Errorf("%d files lie there for %d that are published: %v", len(files), len(r.Targets), files)
	}
	return err
}

func (c *car) gets() error {
	_, err := c.Sync(c.t.Context())
	return err
}

// whole downloads every file that a car is given, whether it needs it or not.
func (c *car) whole() error {
	r, err := c.Trust.Refresh(c.t.Context())
	if err != nil {
		return err
	}
	var errs []error
	for _, target := range r.Targets {
		_, err := c.Trust.Download(c.t.Context(), r, target)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// cutTrace is a site, and what its publisher does on a disk of its own.
func cutTrace(t *testing.T) (*site, *powercut.Trace) {
	t.Helper()
	s := newSite(t, "car-1", "car-2")
	s.clock.Advance(time.Minute)
	return s, powercut.Watch(t, "TestPowerCutProgram", cutSite+"="+s.dir)
}

func TestAPowerCutLeavesOnePublishedStageWholeAndUnitsGoOn(t *testing.T) {
	s, trace := cutTrace(t)
	for _, wrong := range trace.Check(t, 12, s.cutLeft) {
		t.Error(wrong)
	}
}

// TestAnFsyncOfWhatIsPublishedThatIsLeftOutIsNoticed plants bugs: the same program, as
// though it had left out fsyncs.
func TestAnFsyncOfWhatIsPublishedThatIsLeftOutIsNoticed(t *testing.T) {
	s, trace := cutTrace(t)
	for name, path := range map[string]func(string) bool{
		"of a list's files":    func(p string) bool { return strings.HasPrefix(filepath.Base(p), "draft-") },
		"of the state":         func(p string) bool { return strings.HasPrefix(filepath.Base(p), ".published") },
		"of the files' folder": func(p string) bool { return p == "lists" },
	} {
		if !trace.Without(path).Catches(t, 60, s.cutLeft) {
			t.Errorf("nobody notices when the fsync %s is left out", name)
		}
	}
}
