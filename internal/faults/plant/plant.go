// Package plant is what the programs of a fault run have in them and the shipped
// ones have not: a clock that the harness sets, places where the process kills
// itself, receipts that come twice or late, and bugs that the harness must find.
//
// Nothing imports it but what the harness's build lays over the sources (see
// package faults). Everything is off until the harness says otherwise, by
// memory that it shares with the program ([Control]) and by the environment:
//
//	NRD_FAULTS_CONTROL   the file of the shared memory
//	NRD_FAULTS_CRASH     "NAME N": the process kills itself when it comes to NAME for the Nth time
//	NRD_FAULTS_BUG       the planted bug that this run has
//	NRD_FAULTS_SEED      what the fate of receipts is drawn from: "SEED START"
package plant

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The environment of a program.
const (
	EnvControl = "NRD_FAULTS_CONTROL"
	EnvCrash   = "NRD_FAULTS_CRASH"
	EnvBug     = "NRD_FAULTS_BUG"
	EnvSeed    = "NRD_FAULTS_SEED"
)

// Control is memory that the harness writes and a program reads at any time.
type Control struct {
	// Wall and Monotonic are how far the program's clocks are ahead, in
	// nanoseconds; Unproved, if not 0, that nothing vouches for the wall clock.
	Wall, Monotonic, Unproved atomic.Int64
	// Rate is how many records a thousand seconds the unit makes; below zero it
	// ends when all are stored.
	Rate atomic.Int64
	// Receipts says in how many of 100 cases central answers twice, late, in
	// another order or not at all.
	Receipts atomic.Int64
}

const controlSize = 4096

// OpenControl maps a control file, which is made if it is not there.
func OpenControl(path string) (*Control, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // the mapping stays
	if err := f.Truncate(controlSize); err != nil {
		return nil, err
	}
	data, err := unix.Mmap(int(f.Fd()), 0, controlSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return (*Control)(unsafe.Pointer(&data[0])), nil
}

// control is this program's; all zero where there is none.
var control = sync.OnceValue(func() *Control {
	path := os.Getenv(EnvControl)
	if path == "" {
		return &Control{}
	}
	c, err := OpenControl(path)
	if err != nil {
		panic(err)
	}
	return c
})

// Program gives this program's control.
func Program() *Control { return control() }

// Clock gives the kernel's time as the harness wants it. Without a harness the
// clock is proved and right.
func Clock(wall time.Time, monotonic time.Duration) (time.Time, time.Duration, bool) {
	c := control()
	return wall.Add(time.Duration(c.Wall.Load())), monotonic + time.Duration(c.Monotonic.Load()), c.Unproved.Load() == 0
}

// crash is where this process is to die.
var crash = sync.OnceValue(func() (at struct {
	name string
	left *atomic.Int64
}) {
	var n int64
	at.left = &atomic.Int64{}
	if text := os.Getenv(EnvCrash); text != "" {
		i := strings.LastIndex(text, " ")
		if _, err := fmt.Sscan(text[i+1:], &n); i < 0 || err != nil {
			panic(EnvCrash + " must be a name and a number")
		}
		at.name = text[:i]
	}
	at.left.Store(n)
	return at
})

// Output is the number of the open file on which a program speaks to the harness.
const Output = 3

var (
	output   = sync.OnceValue(func() *os.File { return os.NewFile(Output, "harness") })
	speaking sync.Mutex
)

// Say writes a line to the harness, in one piece: the harness reads it however
// the process ends. A program that no harness has started says nothing.
func Say(line string) {
	if os.Getenv(EnvControl) == "" {
		return
	}
	speaking.Lock()
	defer speaking.Unlock()
	if _, err := output().WriteString(line + "\n"); err != nil {
		panic(err)
	}
}

// Crash kills the process here, if the harness wants that.
func Crash(name string) {
	at := crash()
	if at.name != name || at.left.Add(-1) != 0 {
		return
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		panic(err)
	}
	select {}
}

// Bug reports whether this run has the planted bug of that name.
func Bug(name string) bool { return os.Getenv(EnvBug) == name }

// Slow lets as much time pass as a slow disk takes.
func Slow() { time.Sleep(time.Second / 20) }

// Later does something a while after now, if the process still lives.
func Later(f func()) { time.AfterFunc(time.Second/2, f) }

// fate draws what becomes of receipts.
var fate = sync.OnceValue(func() *rand.Rand {
	var seed, start uint64
	if _, err := fmt.Sscan(os.Getenv(EnvSeed), &seed, &start); err != nil {
		panic(fmt.Sprintf("%s=%q: %v", EnvSeed, os.Getenv(EnvSeed), err))
	}
	return rand.New(rand.NewPCG(seed, start))
})

// lateMost is how late a receipt may come.
const lateMost = 10 * time.Second

// Publish publishes for central: receipts twice, late, in another order or not at
// all, as often as the harness wants. One goroutine calls it.
func Publish(publish func(topic string, payload []byte) error, topic string, payload []byte) error {
	if !strings.HasSuffix(topic, "/receipt") || fate().Int64N(100) >= control().Receipts.Load() {
		return publish(topic, payload)
	}
	what, late := fate().IntN(3), time.Duration(fate().Int64N(int64(lateMost)))
	again := func() { _ = publish(topic, payload) } // the device may have gone
	switch what {
	case 0:
		return nil
	case 1:
		time.AfterFunc(late, again)
		return nil
	default:
		time.AfterFunc(late, again)
		return publish(topic, payload)
	}
}
