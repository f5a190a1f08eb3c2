// Package benchmark measures what a process of its own takes on one core: its time
// and the memory that the machine has to have for it.
//
//	benchmark.Child(b, "TestBenchUnit", dir) // in the benchmark
//
//	func TestBenchUnit(t *testing.T) {
//		dir := benchmark.Input()
//		if dir == "" {
//			return // nobody measures
//		}
//		… benchmark.Figure("sync-s", took.Seconds())
//	}
package benchmark

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// inputEnv is what the measured process is given.
const inputEnv = "NRD_BENCHMARK"

// Input gives the measured process what Child was called with; "" in any other.
func Input() string { return os.Getenv(inputEnv) }

const figureMark = "FIGURE "

// Figure tells the benchmark what the measured process has found; the unit stands at
// the end of its name.
func Figure(name string, value float64) { fmt.Printf("%s%s %g\n", figureMark, name, value) }

// Child runs one of this binary's own tests in another process, on one core, and
// reports its figures.
func Child(b *testing.B, test, input string) {
	b.Helper()
	Run(b, []string{os.Args[0]}, test, input)
}

// Run is Child of a command, which may be an emulator with a test binary for another
// processor.
func Run(b *testing.B, command []string, test, input string) {
	b.Helper()
	arguments := append(slices.Clone(command[1:]), "-test.run=^"+test+"$", "-test.timeout=30m")
	cmd := exec.CommandContext(b.Context(), command[0], arguments...)
	cmd.Env = append(os.Environ(), inputEnv+"="+input, "GOMAXPROCS=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("%s: %v: %s", test, err, out)
	}
	figures := 0
	for line := range bytes.Lines(out) {
		var name string
		var value float64
		if _, err := fmt.Sscanf(string(line), figureMark+"%s %g", &name, &value); err == nil {
			b.ReportMetric(value, name)
			figures++
		}
	}
	if figures == 0 {
		b.Fatalf("%s gives no figure: %s", test, out)
	}
}

// Memory gives the most that this process had resident so far, pages of files
// included, and what it holds now beside those, in MB (10⁶ bytes).
func Memory(t testing.TB) (peak, anonymous float64) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var kB float64
		if _, err := fmt.Sscanf(line, "VmHWM: %g kB", &kB); err == nil {
			peak = kB * 1024 / 1e6
		}
		if _, err := fmt.Sscanf(line, "RssAnon: %g kB", &kB); err == nil {
			anonymous = kB * 1024 / 1e6
		}
	}
	return peak, anonymous
}

// CPU gives the processor time that this process has taken so far, in seconds: on a
// busy machine what a quiet one would need.
func CPU(t testing.TB) float64 {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds()
}

// Latency does n things; do says how long one took. It gives the time in microseconds
// that 99 of a hundred do not exceed, whatever interrupts the machine.
func Latency(n int, do func(i int) time.Duration) float64 {
	took := make([]time.Duration, n)
	for i := range n {
		took[i] = do(i)
	}
	slices.Sort(took)
	return float64(took[n*99/100].Nanoseconds()) / 1000
}
