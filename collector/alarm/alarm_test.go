package alarm

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nrd"
	"nrd/collector/store"
	"nrd/collector/store/sqlite"
	"nrd/internal/clock"
	"nrd/internal/sealed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var morning = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// desk is a watch over a real store, with a clock that the test moves.
type desk struct {
	*Watch
	t     *testing.T
	clock *clock.Manual
	// status is what unit-1 says each minute.
	status nrd.Status
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	c := clock.NewManual(morning)
	s, err := sqlite.Open(sqlite.Config{Dir: filepath.Join(t.TempDir(), "store"), Key: sealed.NewKey(), Clock: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	profile, err := nrd.LoadProfile(nrd.DefaultProfile)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, clock: c, Watch: &Watch{
		Store: s, Profile: profile, Zone: time.UTC, Clock: c, Log: slog.New(slog.DiscardHandler),
		Limits: Limits{Silent: 5 * time.Minute, Backlog: 30 * time.Minute, Clock: time.Second, DiskFree: 1e9},
	}}
	d.status = nrd.Status{Device: "unit-1", Started: morning.Add(-time.Hour), DiskFree: 5e9, Clock: c.Stamp()}
	d.approve("unit-1")
	d.restart()
	return d
}

func (d *desk) approve(name string) {
	d.t.Helper()
	if err := d.Store.ChangeDevice(context.Background(), name, func(v *store.Device) error {
		v.Approved, v.ApprovedBy = morning, "ann"
		return nil
	}); err != nil {
		d.t.Fatal(err)
	}
}

// restart is a start of central.
func (d *desk) restart() {
	d.t.Helper()
	if err := d.Initialize(context.Background()); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) look() {
	d.t.Helper()
	if err := d.Look(context.Background()); err != nil {
		d.t.Fatal(err)
	}
}

// minute lets a minute pass in which the unit says how it is.
func (d *desk) minute() {
	d.t.Helper()
	d.clock.Advance(time.Minute)
	d.status.At = d.clock.Now()
	d.status.Frames += 600
	s := d.status
	if err := d.Store.Seen(context.Background(), store.Heard{Device: "unit-1", At: d.clock.Now(), Status: &s}); err != nil {
		d.t.Fatal(err)
	}
	d.look()
}

// standing are the kinds of alarms of unit-1 that stand.
func (d *desk) standing() string {
	d.t.Helper()
	alarms, err := d.Store.StandingAlarms(context.Background())
	if err != nil {
		d.t.Fatal(err)
	}
	var kinds []string
	for _, a := range alarms {
		if a.Device != "unit-1" || a.Text == "" {
			d.t.Errorf("an alarm like no other: %+v", a)
		}
		kinds = append(kinds, a.Kind)
	}
	slices.Sort(kinds)
	return strings.Join(kinds, " ")
}

func (d *desk) wants(when, kinds string) {
	d.t.Helper()
	if got := d.standing(); got != kinds {
		d.t.Errorf("%s: %q stand, want %q", when, got, kinds)
	}
}

func TestASilentDeviceIsMissedAndWelcomed(t *testing.T) {
	d := newDesk(t)
	d.minute()
	d.clock.Advance(5 * time.Minute)
	d.look()
	d.wants("at the limit", "")
	d.clock.Advance(time.Second)
	d.look()
	d.wants("past it", "silent")
	d.minute()
	d.wants("heard again", "")
	cleared, err := d.Store.ClearedAlarms(context.Background(), 10)
	if err != nil || len(cleared) != 1 || !cleared[0].Raised.Before(cleared[0].Cleared) {
		t.Errorf("the store remembers %+v, %v", cleared, err)
	}
}

func TestWhatWasNotHeardWhileCentralWasDownIsNoSilence(t *testing.T) {
	d := newDesk(t)
	d.minute()
	d.clock.Advance(24 * time.Hour)
	d.restart()
	d.look()
	d.wants("at the start", "")
	d.clock.Advance(6 * time.Minute)
	d.look()
	d.wants("six minutes later", "silent")
}

func TestEachKindIsRaisedOnceAndClearedByItself(t *testing.T) {
	for kind, c := range map[string]struct {
		ill, well func(d *desk)
		text      string
	}{
		Backlog: {
			func(d *desk) { d.status.Waiting, d.status.OldestWaiting = 900, d.clock.Now().Add(-40*time.Minute) },
			func(d *desk) { d.status.Waiting, d.status.OldestWaiting = 0, time.Time{} },
			"900 records wait",
		},
		Clock: {
			func(d *desk) { d.status.Clock.ClockError = -1500 * time.Millisecond },
			func(d *desk) { d.status.Clock.ClockError = 10 * time.Millisecond },
			"off by -1.5s",
		},
		Disk: {
			func(d *desk) { d.status.DiskFree = 999e6 },
			func(d *desk) { d.status.DiskFree = 1001e6 },
			"999 MB are free",
		},
		Refused: {
			func(d *desk) { d.status.DeadLetters = 3 },
			func(d *desk) { d.status.DeadLetters = 0 },
			"3 items are set aside",
		},
		List: {
			func(d *desk) {
				d.status.Lists = []nrd.ListVersion{{List: "local", Issued: d.clock.Now().Add(-25 * time.Hour)}, {List: "fresh", Issued: d.clock.Now()}}
			},
			func(d *desk) { d.status.Lists[0].Issued = d.clock.Now() },
			"stale on it: local (25 h old)",
		},
	} {
		t.Run(kind, func(t *testing.T) {
			d := newDesk(t)
			d.minute()
			d.wants("well", "")
			c.ill(d)
			d.minute()
			d.wants("ill", kind)
			alarms, err := d.Store.StandingAlarms(context.Background())
			if err != nil || !strings.Contains(alarms[0].Text, c.text) {
				t.Errorf("it says %+v, %v", alarms, err)
			}
			d.minute()
			d.restart()
			d.minute()
			again, err := d.Store.StandingAlarms(context.Background())
			if err != nil || len(again) != 1 || again[0] != alarms[0] {
				t.Errorf("it became %+v, %v", again, err)
			}
			// What is not known does not change: the last status is old.
			d.clock.Advance(6 * time.Minute)
			d.look()
			if got := d.standing(); !strings.Contains(got, kind) || !strings.Contains(got, "silent") {
				t.Errorf("while it is silent %q stand", got)
			}
			c.well(d)
			d.minute()
			d.wants("well again", "")
		})
	}
}

func TestAClockThatNothingVouchesForIsAnAlarm(t *testing.T) {
	d := newDesk(t)
	d.status.Clock.Proved = false
	d.minute()
	d.wants("unproved", Clock)
	d.status.Clock.Proved = true
	d.minute()
	d.wants("proved", "")
}

func TestDroppedReadsAreAnAlarmForAnHour(t *testing.T) {
	d := newDesk(t)
	d.status.Dropped = map[string]uint64{"record": 4, "image": 100}
	d.minute()
	d.wants("dropped before it was known", "")
	d.status.Dropped = map[string]uint64{"record": 4, "image": 200}
	d.minute()
	d.wants("pictures are no reads", "")
	// Central is away while it happens.
	d.restart()
	d.look()
	d.status.Dropped = map[string]uint64{"record": 5, "image": 200}
	d.minute()
	d.wants("one more", Dropped)
	for range 58 {
		d.minute()
	}
	d.wants("within the hour", Dropped)
	d.minute()
	d.minute()
	d.wants("an hour later", "")
}

func TestAUnitThatRefusesRecordsIsAnAlarmForAnHour(t *testing.T) {
	d := newDesk(t)
	d.minute()
	d.status.Dropped = map[string]uint64{"refused": 1}
	d.minute()
	d.wants("a record was refused", Full)
	d.restart()
	for range 59 {
		d.minute()
	}
	d.wants("within the hour of central's own start", Full)
	d.minute()
	d.wants("an hour later", "")
}

func TestADeviceThatIsNotInUseHasNoAlarms(t *testing.T) {
	d := newDesk(t)
	d.minute()
	d.clock.Advance(time.Hour)
	d.look()
	d.wants("silent", "silent")
	if err := d.Store.ChangeDevice(context.Background(), "unit-1", func(v *store.Device) error {
		v.Revoked = d.clock.Now()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	d.look()
	d.wants("revoked", "")
}

func TestACameraThatGivesNoFramesIsAnAlarm(t *testing.T) {
	d := newDesk(t)
	d.minute()
	for range 70 {
		d.status.Frames -= 600 // what minute adds
		d.minute()
	}
	d.wants("no frames since the hour before", Blind)
	for range 2 {
		d.minute()
	}
	d.wants("frames again", "")
}

// history makes weeks of traffic before now, the same each week.
func (d *desk) history(weeks int, reads func(hour int) uint64) {
	d.t.Helper()
	var hours []store.Traffic
	begin := d.clock.Now().Truncate(time.Hour)
	for back := range weeks * 168 {
		at := begin.Add(-time.Duration(back) * time.Hour)
		hours = append(hours, store.Traffic{Device: "unit-1", Hour: at, Frames: 36000, Reads: reads(at.Hour()), Covered: time.Hour})
	}
	if err := d.Store.PutTraffic(context.Background(), begin.AddDate(-1, 0, 0), hours); err != nil {
		d.t.Fatal(err)
	}
	d.restart()
}

func TestABlindCameraOnABusyRoadIsAnAlarmWithinMinutes(t *testing.T) {
	d := newDesk(t)
	d.clock.Advance(time.Hour)
	d.history(5, func(int) uint64 { return 600 })
	d.clock.Advance(time.Hour)
	d.minute()
	minutes := 0
	for ; d.standing() == "" && minutes < 60; minutes++ {
		d.minute()
	}
	d.wants(fmt.Sprintf("after %d minutes", minutes), Blind)
	if minutes > 10 {
		t.Errorf("it took %d minutes", minutes)
	}
	d.restart()
	d.minute()
	d.wants("after a restart", Blind)
	for range 3 {
		d.status.Reads += 10
		d.minute()
	}
	d.wants("it sees again", "")
	hours, err := d.Store.Traffic(context.Background())
	if last := hours[len(hours)-1]; err != nil || !last.Blind || last.Reads == 0 {
		t.Errorf("the hour is kept as a measure: %+v, %v", last, err)
	}
}

func TestWithoutEnoughWeeksNothingIsSaid(t *testing.T) {
	d := newDesk(t)
	d.clock.Advance(time.Hour)
	d.history(2, func(int) uint64 { return 600 })
	d.clock.Advance(time.Hour)
	for range 120 {
		d.minute()
	}
	d.wants("two weeks of history", "")
}

func TestTheWatchRunsUntilItIsStopped(t *testing.T) {
	d := newDesk(t)
	d.status.DiskFree = 0
	s := d.status
	if err := d.Store.Seen(context.Background(), store.Heard{Device: "unit-1", At: d.clock.Now(), Status: &s}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	for end := time.Now().Add(20 * time.Second); d.standing() == ""; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not look")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAnIdentityThatIsPerhapsCopiedIsAnAlarmUntilTheUnitIsEnrolledAgain(t *testing.T) {
	d := newDesk(t)
	d.minute()
	d.wants("at first", "")
	if err := d.Store.Seen(context.Background(), store.Heard{Device: "unit-1", At: d.clock.Now(), Rival: true}); err != nil {
		t.Fatal(err)
	}
	d.minute()
	d.wants("after a fight for its connection", "copied")
	d.change(func(v *store.Device) { v.Copied = time.Time{} })
	d.minute()
	d.wants("enrolled again", "")
}

func TestAnOverdueReviewAndACertificateThatEndsAreAlarmsOfSilentUnitsToo(t *testing.T) {
	d := newDesk(t)
	d.change(func(v *store.Device) {
		v.Review = morning.AddDate(0, 0, 100)
		v.Certificate = store.Certificate{Serial: "1", NotAfter: morning.AddDate(0, 0, 400)}
	})
	d.look() // never heard
	d.wants("while both are far away", "")
	d.clock.Advance(100*24*time.Hour + time.Minute)
	d.look()
	d.wants("when the review was due", "review")
	d.change(func(v *store.Device) { v.Review = morning.AddDate(2, 0, 0) })
	d.look()
	d.wants("reviewed", "")
	d.minute()
	d.clock.Advance(280 * 24 * time.Hour)
	d.look()
	d.wants("when the certificate ends soon", "certificate silent")
	d.change(func(v *store.Device) { v.Certificate.NotAfter = morning.AddDate(2, 0, 0) })
	d.look()
	d.wants("renewed", "silent")
	d.change(func(v *store.Device) { v.Review, v.Revoked = morning, d.clock.Now() })
	d.look()
	d.wants("revoked", "")
}

// change changes what central holds of unit-1.
func (d *desk) change(change func(*store.Device)) {
	d.t.Helper()
	err := d.Store.ChangeDevice(context.Background(), "unit-1", func(v *store.Device) error {
		change(v)
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
}
