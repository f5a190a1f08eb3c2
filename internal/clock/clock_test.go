package clock

import (
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nrd"
)

func TestTheSystemClockNamesTheBootAndCountsFromIt(t *testing.T) {
	c := System()
	first, second := c.Stamp(), c.Stamp()

	want, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Fatal(err)
	}
	if first.BootID != strings.TrimSpace(string(want)) {
		t.Errorf("boot id %q, the kernel says %q", first.BootID, want)
	}
	up, err := os.ReadFile("/proc/uptime")
	if err != nil {
		t.Fatal(err)
	}
	seconds, err := time.ParseDuration(strings.Fields(string(up))[0] + "s")
	if err != nil {
		t.Fatal(err)
	}
	if d := (seconds - second.Monotonic).Abs(); d > 10*time.Second {
		t.Errorf("monotonic %v, /proc/uptime %v", second.Monotonic, seconds)
	}
	if second.Monotonic < first.Monotonic {
		t.Errorf("monotonic time ran backwards: %v, %v", first.Monotonic, second.Monotonic)
	}
	if first.UTC.Location() != time.UTC {
		t.Errorf("the time is in %v", first.UTC.Location())
	}
	if d := time.Since(first.UTC).Abs(); d > 10*time.Second {
		t.Errorf("the wall clock is off by %v", d)
	}
	if first.Proved != (first.Source == nrd.ClockNTP) {
		t.Errorf("proved=%v by %q", first.Proved, first.Source)
	}
}

// kernel is a kernel that tests can synchronise and set.
type kernel struct{ reading }

func (k *kernel) pass(d time.Duration) {
	k.wall = k.wall.Add(d)
	k.monotonic += d
}

func newKernel() (*kernel, *SystemClock) {
	k := &kernel{reading{wall: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC), monotonic: time.Minute}}
	c := &SystemClock{bootID: "boot", atBoot: nrd.ClockUnknown, kernel: func() reading { return k.reading }}
	return k, c
}

func TestNobodyVouchesForAClockAfterBoot(t *testing.T) {
	_, c := newKernel()
	c.atBoot = nrd.ClockRTC
	if s := c.Stamp(); s.Proved || s.Source != nrd.ClockRTC || s.ClockError != 0 {
		t.Errorf("got %+v", s)
	}
}

func TestNTPProvesTheClockWhileAndAfterItIsThere(t *testing.T) {
	k, c := newKernel()
	k.synchronised, k.ahead = true, 3*time.Millisecond
	if s := c.Stamp(); !s.Proved || s.Source != nrd.ClockNTP || s.ClockError != 3*time.Millisecond {
		t.Errorf("synchronised: %+v", s)
	}
	k.synchronised = false
	k.pass(9 * time.Hour)
	if s := c.Stamp(); !s.Proved || s.Source != nrd.ClockNTP {
		t.Errorf("out of reach of the server the clock is still the one that was checked: %+v", s)
	}
}

func TestAReceiverProvesTheClock(t *testing.T) {
	_, c := newKernel()
	c.Prove(nrd.ClockGPS, -40*time.Millisecond)
	if s := c.Stamp(); !s.Proved || s.Source != nrd.ClockGPS || s.ClockError != -40*time.Millisecond {
		t.Errorf("got %+v", s)
	}
}

func TestAHandThatSetsTheClockEndsTheProof(t *testing.T) {
	k, c := newKernel()
	c.Prove(nrd.ClockGPS, 0)
	k.wall = k.wall.AddDate(10, 0, 0)
	if s := c.Stamp(); s.Proved || s.Source != nrd.ClockUnknown {
		t.Errorf("ten years later: %+v", s)
	}
	k.wall = k.wall.AddDate(-10, 0, 0)
	if s := c.Stamp(); s.Proved {
		t.Errorf("setting it back proves nothing: %+v", s)
	}
}

func TestTheKernelsWordOnNTP(t *testing.T) {
	for name, c := range map[string]struct {
		state        int
		kernel       unix.Timex
		ahead        time.Duration
		synchronised bool
	}{
		"behind, in microseconds":  {unix.TIME_OK, unix.Timex{Offset: 250}, -250 * time.Microsecond, true},
		"ahead, in nanoseconds":    {unix.TIME_OK, unix.Timex{Offset: -250, Status: unix.STA_NANO | unix.STA_PLL}, 250 * time.Nanosecond, true},
		"a leap second is near":    {unix.TIME_INS, unix.Timex{}, 0, true},
		"never synchronised":       {unix.TIME_ERROR, unix.Timex{Offset: 250, Status: unix.STA_UNSYNC}, 0, false},
		"the bound of 16 s passed": {unix.TIME_OK, unix.Timex{Offset: 250, Status: unix.STA_UNSYNC}, 0, false},
		"an error of a PPS signal": {unix.TIME_ERROR, unix.Timex{Offset: 250}, 0, false},
	} {
		ahead, synchronised := ntpVerdict(c.state, &c.kernel)
		if ahead != c.ahead || synchronised != c.synchronised {
			t.Errorf("%s: %v, %v", name, ahead, synchronised)
		}
	}
}

func TestATimeServiceMayStepTheClock(t *testing.T) {
	k, c := newKernel()
	c.Prove(nrd.ClockGPS, 0)
	k.wall = k.wall.AddDate(50, 0, 0)
	k.synchronised = true
	if s := c.Stamp(); !s.Proved || s.Source != nrd.ClockNTP {
		t.Errorf("got %+v", s)
	}
}

func TestAManualClockStandsStillUntilMoved(t *testing.T) {
	at := time.Date(2026, 11, 23, 8, 0, 0, 5, time.UTC)
	m := NewManual(at)
	before := m.Stamp()
	if !before.UTC.Equal(at) || !before.Proved || m.Now() != before.UTC {
		t.Fatalf("got %+v", before)
	}

	m.Advance(time.Minute)
	if s := m.Stamp(); s.UTC.Sub(at) != time.Minute || s.Monotonic-before.Monotonic != time.Minute {
		t.Errorf("after a minute: %+v", s)
	}
	m.Set(at.AddDate(10, 0, 0))
	if s := m.Stamp(); !s.UTC.Equal(at.AddDate(10, 0, 0)) || s.Monotonic-before.Monotonic != time.Minute {
		t.Errorf("a step must not touch the monotonic time: %+v", s)
	}
	m.Reboot()
	if s := m.Stamp(); s.Proved || s.Monotonic != 0 || s.BootID == before.BootID || s.UTC.Year() != 1970 {
		t.Errorf("after a reboot: %+v", s)
	}
	m.Prove(nrd.ClockGPS, time.Second)
	if s := m.Stamp(); !s.Proved || s.Source != nrd.ClockGPS || s.ClockError != time.Second {
		t.Errorf("proved: %+v", s)
	}
}

func BenchmarkStamp(b *testing.B) {
	c := System()
	for b.Loop() {
		c.Stamp()
	}
}
