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
	cmd := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^"+test+"$", "-test.timeout=30m")
	cmd.Env = append(os.Environ(), inputEnv+"="+input, "GOMAXPROCS=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("%s: %v: %s", test, err, out)
	}
	found := false
	for line := range bytes.Lines(out) {
		var name string
		var value float64
		if _, err := fmt.Sscanf(string(line), figureMark+"%s %g", &name, &value); err == nil {
			b.ReportMetric(value, name)
			found = true
		}
	}
	if !found {
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

// passes is how often Latency does each thing.
const passes = 3

// Latency does n things in three passes; do says how long one took. It gives the time
// in microseconds that 99 of a hundred do not exceed: of the best of each thing's
// three, which leaves out what interrupts the machine, and of all.
func Latency(n int, do func(i int) time.Duration) (best, all float64) {
	least, took := make([]time.Duration, n), make([]time.Duration, 0, passes*n)
	for pass := range passes {
		for i := range n {
			t := do(i)
			if took = append(took, t); pass == 0 || t < least[i] {
				least[i] = t
			}
		}
	}
	return p99(least), p99(took)
}

func p99(took []time.Duration) float64 {
	slices.Sort(took)
	return float64(took[len(took)*99/100].Nanoseconds()) / 1000
}
