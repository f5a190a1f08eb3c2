package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nrd"
	"nrd/hotlist/voi"
	"nrd/internal/clock"
	"nrd/internal/identity"
	"nrd/internal/sealed"
	"nrd/internal/trust"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// desk is a publisher that can be started anew.
type desk struct {
	*Publisher
	t       *testing.T
	dir     string
	key     *sealed.Key
	clock   *clock.Manual
	devices []string
	notices []int64
}

func newDesk(t *testing.T, devices ...string) *desk {
	t.Helper()
	d := &desk{t: t, dir: t.TempDir(), key: sealed.NewKey(), clock: clock.NewManual(noon), devices: devices}
	site, err := identity.NewSite(d.dir, d.clock)
	must(t, err)
	must(t, trust.Init(filepath.Join(d.dir, "trust"), 1, 1, site.SignRoot, noon))
	must(t, d.start())
	return d
}

func (d *desk) start() error {
	d.t.Helper()
	signer, err := trust.OpenOnline(filepath.Join(d.dir, "trust"))
	must(d.t, err)
	d.Publisher = &Publisher{
		Dir: filepath.Join(d.dir, "lists"), Key: d.key, Signer: signer, Clock: d.clock, Log: slog.New(slog.DiscardHandler),
		Devices: func(context.Context) ([]string, error) { return d.devices, nil },
		Admit:   func(context.Context, string, string) error { return nil },
		Notice:  func(number int64) { d.notices = append(d.notices, number) },
	}
	return d.Initialize(d.t.Context())
}

// files are the names in the folder but for the state.
func (d *desk) files() []string {
	d.t.Helper()
	found, err := filepath.Glob(filepath.Join(d.Dir, "*.sealed"))
	must(d.t, err)
	all, err := os.ReadDir(d.Dir)
	must(d.t, err)
	if len(all) != len(found)+1 {
		d.t.Errorf("there is more in the folder than files of lists: %v", all)
	}
	return found
}

func (d *desk) publish(version uint64, entries ...nrd.Entry) error {
	d.t.Helper()
	return d.Publish(d.t.Context(), List{Name: "wanted", Version: version, Made: noon}, all(entries, nil))
}

func all(entries []nrd.Entry, last error) iter.Seq2[nrd.Entry, error] {
	return func(yield func(nrd.Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
		if last != nil {
			yield(nrd.Entry{}, last)
		}
	}
}

func many(n int, reason string) []nrd.Entry {
	var entries []nrd.Entry
	for i := range n {
		entries = append(entries, nrd.Entry{VRM: nrd.VRM(fmt.Sprintf("CR%05d", i)), Reason: reason, Information: fmt.Sprintf("%x", i*2654435761), Reference: "R"})
	}
	return entries
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatCannotBePublishedLeavesWhatWasThere(t *testing.T) {
	d := newDesk(t, "car-1")
	must(t, d.publish(2, many(10, "one")...))
	number, files := d.Number(), d.files()
	broken := errors.New("the file broke off")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for what, c := range map[string]struct {
		err  error
		want error
	}{
		"an older version":          {d.publish(1, many(1, "")...), ErrOlder},
		"no order":                  {d.publish(3, nrd.Entry{VRM: "B2"}, nrd.Entry{VRM: "A1"}), ErrOrder},
		"an error among them":       {d.Publish(t.Context(), List{Name: "wanted", Version: 3, Made: noon}, all(many(5, ""), broken)), broken},
		"an entry no file can hold": {d.publish(3, nrd.Entry{VRM: "A1", Reason: "two\nlines"}), voi.ErrUnwritable},
		"an end meanwhile":          {d.Publish(ctx, List{Name: "wanted", Version: 3, Made: noon}, all(many(5, ""), nil)), context.Canceled},
		"no name":                   {d.Publish(t.Context(), List{Version: 3, Made: noon}, all(nil, nil)), ErrList},
		"no time":                   {d.Publish(t.Context(), List{Name: "x", Version: 3}, all(nil, nil)), ErrList},
		"a recipient that is none":  {d.Publish(t.Context(), List{Name: "x", Version: 3, Made: noon, Recipients: []string{"No Device"}}, all(nil, nil)), ErrList},
		"what is not published":     {d.Withdraw(t.Context(), "x"), ErrNoList},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", what, c.err, c.want)
		}
	}
	if d.Number() != number || strings.Join(d.files(), " ") != strings.Join(files, " ") || d.Published()[0].Version != 2 {
		t.Errorf("there is something else now: %+v, %v", d.Published(), d.files())
	}
	must(t, d.publish(2, many(10, "one")...)) // again, by one who did not hear that it was done
	if d.Number() != number {
		t.Error("the same version again is something new")
	}
}

func TestAnEntryThatStandsTwiceIsTakenFromItsFirstPlace(t *testing.T) {
	d := newDesk(t, "car-1")
	must(t, d.publish(1, nrd.Entry{VRM: "A1", Reference: "R", Reason: "first"}, nrd.Entry{VRM: "A1", Reference: "S"}, nrd.Entry{VRM: "A1", Reference: "R", Reason: "second"}))
	if p := d.Published()[0]; p.Entries != 2 {
		t.Errorf("%+v", p)
	}
}

func TestNothingOfAListCanBeReadOnCentralsDisk(t *testing.T) {
	d := newDesk(t, "car-1")
	must(t, d.publish(1, many(1000, "BURGLARY")...))
	must(t, d.publish(2, many(1001, "BURGLARY")...))
	files := d.files()
	if len(files) != 3 {
		t.Errorf("a snapshot, the one before and a delta: %v", files)
	}
	for _, path := range append(files, filepath.Join(d.Dir, stateFile)) {
		text, err := os.ReadFile(path)
		must(t, err)
		for _, secret := range []string{"BURGLARY", "CR00001", "wanted", "car-1"} {
			if bytes.Contains(text, []byte(secret)) || strings.Contains(path, secret) {
				t.Errorf("%s shows %q", path, secret)
			}
		}
	}
}

func TestANewStartGoesOnWhereTheLastOneEndedAndSweepsWhatWasLeft(t *testing.T) {
	d := newDesk(t, "car-1")
	must(t, d.publish(1, many(100, "one")...))
	number := d.Number()
	must(t, os.WriteFile(filepath.Join(d.Dir, "draft-123"), []byte("half"), 0o600))
	must(t, d.start())
	if d.Number() <= number || len(d.files()) != 1 || d.Published()[0].Version != 1 {
		t.Errorf("number %d after %d, %v, %+v", d.Number(), number, d.files(), d.Published())
	}
	must(t, d.publish(2, many(101, "one")...))
	if p := d.Published()[0]; p.Version != 2 || p.Entries != 101 {
		t.Errorf("%+v", p)
	}
	if l := d.state.Lists["wanted"]; len(l.Deltas) != 1 || l.Deltas[0].Length > 500 {
		t.Errorf("the change of one line is %+v", l.Deltas)
	}
	// A central that lost its folder counts on above what its units have seen.
	number = d.Number()
	must(t, os.RemoveAll(d.Dir))
	d.clock.Advance(time.Hour)
	must(t, d.start())
	if d.Number() <= number {
		t.Errorf("number %d after %d", d.Number(), number)
	}
	d.key = sealed.NewKey()
	if err := d.start(); !errors.Is(err, sealed.ErrDamaged) {
		t.Errorf("with another key: %v", err)
	}
}

func TestDeltasAreKeptForAsLongAsTheyCostLessThanTheWhole(t *testing.T) {
	d := newDesk(t, "car-1")
	for v := uint64(1); v <= 40; v++ {
		must(t, d.publish(v, many(2000+int(v), "one")...)) //nolint:gosec // small
		l := d.state.Lists["wanted"]
		newest := l.Snapshots[len(l.Snapshots)-1]
		sum := int64(0)
		for i, delta := range l.Deltas {
			sum += delta.Length
			if i > 0 && delta.From != l.Deltas[i-1].Version {
				t.Fatalf("version %d: the deltas lead nowhere: %+v", v, l.Deltas)
			}
		}
		if len(l.Deltas) > maxDeltas || sum > newest.Length || newest.Version != v || len(l.Snapshots) > 2 || len(d.files()) != len(l.files()) {
			t.Fatalf("version %d: %d deltas of %d bytes, %d snapshots, %d files", v, len(l.Deltas), sum, len(l.Snapshots), len(d.files()))
		}
	}
	if n := len(d.state.Lists["wanted"].Deltas); n != maxDeltas {
		t.Errorf("%d deltas are kept", n)
	}
	must(t, d.publish(41, many(maxChanges+3000, "two")...))
	if l := d.state.Lists["wanted"]; len(l.Deltas) != 0 || len(l.Snapshots) != 1 {
		t.Errorf("after a change of all: %d deltas, %d snapshots", len(l.Deltas), len(l.Snapshots))
	}
	must(t, d.Withdraw(t.Context(), "wanted"))
	if n := len(d.files()); n != 0 {
		t.Errorf("%d files stay", n)
	}
}

func TestAListWhosePublishedFileIsDamagedOrGoneIsPublishedWholeAgain(t *testing.T) {
	for what, damage := range map[string]func(path string) error{
		"a flipped byte at the end": func(path string) error {
			text, err := os.ReadFile(path)
			if err == nil {
				text[len(text)-20] ^= 1
				err = os.WriteFile(path, text, 0o600)
			}
			return err
		},
		"a flipped byte at the beginning": func(path string) error {
			text, err := os.ReadFile(path)
			if err == nil {
				text[40] ^= 1
				err = os.WriteFile(path, text, 0o600)
			}
			return err
		},
		"cut in the middle": func(path string) error { return os.Truncate(path, 1000) },
		"a removed file":    os.Remove,
	} {
		t.Run(what, func(t *testing.T) {
			d := newDesk(t, "car-1")
			must(t, d.publish(1, many(20000, "one")...))
			must(t, d.publish(2, many(20001, "one")...))
			l := d.state.Lists["wanted"]
			must(t, damage(d.path(l.Snapshots[len(l.Snapshots)-1])))
			must(t, d.publish(3, many(20002, "one")...))
			if l = d.state.Lists["wanted"]; l.Version != 3 || l.Entries != 20002 || len(l.Snapshots) != 1 || len(l.Deltas) != 0 || len(d.files()) != 1 {
				t.Fatalf("published is %+v, in %v", l, d.files())
			}
			must(t, d.publish(4, many(20003, "one")...))
			if l = d.state.Lists["wanted"]; len(l.Deltas) != 1 || l.Deltas[0].From != 3 {
				t.Errorf("the version after has no delta: %+v", l)
			}
		})
	}
}

func TestTheMetadataIsSignedAnewInTimeAndForNewDevices(t *testing.T) {
	d := newDesk(t, "car-1")
	must(t, d.publish(1, many(1, "")...))
	number, notices := d.Number(), len(d.notices)
	must(t, d.refresh(t.Context()))
	if d.Number() != number {
		t.Error("nothing has changed, and it is signed anew")
	}
	d.clock.Advance(signEvery)
	must(t, d.refresh(t.Context()))
	if d.Number() <= number {
		t.Error("it is not signed anew in time")
	}
	number = d.Number()
	d.devices = []string{"car-2", "car-1"}
	must(t, d.refresh(t.Context()))
	if d.Number() <= number {
		t.Error("a new device has to wait")
	}
	if len(d.notices) != notices {
		t.Error("the units are woken though no list has changed")
	}
	d.clock.Set(noon.Add(-time.Hour)) // a clock that was put back
	number = d.Number()
	must(t, d.refresh(t.Context()))
	if d.Number() <= number {
		t.Error("the number does not count up")
	}
}

func TestALargeListOnItsWayKeepsNoOtherListAndNoNewDeviceWaiting(t *testing.T) {
	d := newDesk(t, "car-1")
	halfway, goOn := make(chan struct{}), make(chan struct{})
	statuses := func(yield func(nrd.Entry, error) bool) {
		if !yield(nrd.Entry{VRM: "A1", Reason: "No insurance"}, nil) {
			return
		}
		close(halfway)
		<-goOn
		yield(nrd.Entry{VRM: "A2", Reason: "No insurance"}, nil)
	}
	published := make(chan error, 1)
	go func() {
		published <- d.Publish(t.Context(), List{Name: "uninsured", Version: 1, Made: noon, Status: true}, statuses)
	}()
	<-halfway
	others := make(chan error, 1)
	go func() {
		d.devices = append(d.devices, "car-2")
		others <- errors.Join(d.refresh(t.Context()), d.publish(1, many(10, "one")...), d.publish(2, many(11, "one")...), d.Withdraw(t.Context(), "wanted"))
	}()
	select {
	case err := <-others:
		must(t, err)
	case <-time.After(20 * time.Second):
		t.Fatal("others wait for the large list")
	}
	close(goOn)
	must(t, <-published)
	if p := d.Published(); len(p) != 1 || p[0].List != "uninsured" || p[0].Entries != 2 || !d.signed.isFor([]string{"car-1", "car-2"}) || len(d.files()) != 1 {
		t.Errorf("published is %+v", p)
	}
}
