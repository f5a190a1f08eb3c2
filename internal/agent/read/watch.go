package read

import (
	"time"

	"golang.org/x/sys/unix"

	"nrd"
)

// watch measures how long something takes, by the clock and in processor time
// of the whole process.
type watch struct {
	clock nrd.Clock
	began time.Duration
	cpu   time.Duration
}

func startWatch(clock nrd.Clock) watch {
	return watch{clock: clock, began: clock.Stamp().Monotonic, cpu: cpuTime()}
}

// stop gives both in milliseconds.
func (w watch) stop() (ms, cpu float64) {
	inMS := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	return inMS(w.clock.Stamp().Monotonic - w.began), inMS(cpuTime() - w.cpu)
}

// cpuTime is what the process has used so far, user and system; 0 where the
// kernel does not tell.
func cpuTime() time.Duration {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
