// Package clock tells the time of the unit's kernel and how good that time is.
//
// [System] is the clock of a running program. It asks the kernel each time
// whether NTP keeps the wall clock right, and a GPS receiver may vouch for it
// with [SystemClock.Prove]. [Manual] is the clock of a test: it stands still
// until it is set or advanced.
package clock

import (
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"nrd"
)

// bigStep is how far the wall clock may move against the monotonic one before a
// proof no longer speaks for it. NTP slews far less; a hand or a bad program
// that sets the clock moves it further.
const bigStep = time.Second

// SystemClock is the kernel's clock. Use [System].
type SystemClock struct {
	bootID string
	atBoot nrd.ClockSource
	// kernel is readKernel; tests put a kernel of their own here.
	kernel func() reading

	mu    sync.Mutex
	proof proof
}

var _ nrd.Clock = (*SystemClock)(nil)

// reading is what the kernel says of one moment.
type reading struct {
	wall         time.Time
	monotonic    time.Duration
	synchronised bool
	// ahead is wall minus true time as far as NTP knows it.
	ahead time.Duration
}

// boot is the wall clock's idea of when the kernel started. It moves only when
// the wall clock is set or slewed.
func (r reading) boot() time.Time { return r.wall.Add(-r.monotonic) }

// proof is the last check of the wall clock against a better one.
type proof struct {
	source nrd.ClockSource // "" for none
	ahead  time.Duration
	boot   time.Time
}

// holds reports whether the wall clock still runs as it did when it was checked.
func (p proof) holds(now reading) bool {
	return p.source != "" && now.boot().Sub(p.boot).Abs() < bigStep
}

// System gives the clock of this machine.
//
// A stamp is proved while the kernel says that NTP keeps the clock, and after
// that, or after [SystemClock.Prove], for as long as nobody sets the clock: a
// step of more than a second that no time service vouches for ends the proof.
func System() *SystemClock {
	c := &SystemClock{atBoot: nrd.ClockUnknown, kernel: readKernel}
	// Linux always has the first file; the second says whether the clock was
	// set from a battery-backed one at boot.
	c.bootID = readLine("/proc/sys/kernel/random/boot_id")
	if readLine("/sys/class/rtc/rtc0/hctosys") == "1" {
		c.atBoot = nrd.ClockRTC
	}
	return c
}

// Now is the wall clock in UTC.
func (c *SystemClock) Now() time.Time { return c.kernel().wall }

// Stamp is the same moment with everything known of the clock.
func (c *SystemClock) Stamp() nrd.Stamp {
	now := c.kernel()
	_, east := now.wall.In(time.Local).Zone()
	stamp := nrd.Stamp{
		UTC:        now.wall,
		Source:     c.atBoot,
		BootID:     c.bootID,
		Monotonic:  now.monotonic,
		ZoneOffset: time.Duration(east) * time.Second,
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.synchronised {
		c.proof = proof{source: nrd.ClockNTP, ahead: now.ahead, boot: now.boot()}
	}
	if c.proof.holds(now) {
		stamp.Proved, stamp.Source, stamp.ClockError = true, c.proof.source, c.proof.ahead
	} else {
		c.proof = proof{}
	}
	return stamp
}

// Prove says that source, a GPS receiver or an NTP client of our own, has just
// found the wall clock to be ahead of UTC by so much (negative: behind). While
// the kernel itself is synchronised its word counts.
func (c *SystemClock) Prove(source nrd.ClockSource, ahead time.Duration) {
	now := c.kernel()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.proof = proof{source: source, ahead: ahead, boot: now.boot()}
}

func readKernel() reading {
	r := reading{monotonic: sinceBoot(), wall: time.Now().UTC().Round(0)}
	r.ahead, r.synchronised = ntpState()
	return r
}

// sinceBoot counts the time asleep too, unlike CLOCK_MONOTONIC.
func sinceBoot() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		// Only a kernel older than 2.6.39 gets here.
		panic("clock: CLOCK_BOOTTIME: " + err.Error())
	}
	return time.Duration(ts.Nano())
}

// ntpState asks the kernel, changing nothing.
func ntpState() (ahead time.Duration, synchronised bool) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return 0, false
	}
	return ntpVerdict(state, &t)
}

// ntpVerdict is what the kernel's answer means. It takes back its own word when
// no correction came for so long that the bound of its error has grown to 16 s,
// or when somebody sets the clock.
func ntpVerdict(state int, t *unix.Timex) (ahead time.Duration, synchronised bool) {
	if state == unix.TIME_ERROR || t.Status&unix.STA_UNSYNC != 0 {
		return 0, false
	}
	unit := time.Microsecond
	if t.Status&unix.STA_NANO != 0 {
		unit = time.Nanosecond
	}
	// The kernel's offset is what it has still to add to its clock.
	return -time.Duration(t.Offset) * unit, true
}

func readLine(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
