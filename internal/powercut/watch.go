package powercut

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// DirEnv is where a program under test finds its disk; everyEnv, set to anything,
// asks Check for a cut after every step.
const (
	DirEnv   = "POWERCUT_DIR"
	everyEnv = "POWERCUT_EVERY"
)

// Dir gives a program under test its disk; "" in any other process.
func Dir() string { return os.Getenv(DirEnv) }

// Watch runs one of the test binary's own tests as the program under test, in
// another process on a new disk, and gives what it did. That test returns at once
// where [Dir] is empty.
func Watch(t testing.TB, test string, env ...string) *Trace {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skipf("this machine has no FUSE: %v", err)
	}
	dir := t.TempDir()
	disk, err := Mount(dir)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+test+"$", "-test.timeout=120s")
	cmd.Env = append(append(os.Environ(), DirEnv+"="+dir), env...)
	out, err := cmd.CombinedOutput()
	if err := errors.Join(err, disk.Unmount()); err != nil {
		t.Fatalf("%s: %v: %s", test, err, out)
	}
	return disk.Trace()
}

// Check cuts the power after about so many steps, evenly spread, or after every
// one where POWERCUT_EVERY is set, lets check look at each disk that may be left, and
// gives the first of what it finds wrong.
func (t *Trace) Check(tb testing.TB, some int, check func(disk string, promises []string) error) []string {
	tb.Helper()
	return t.check(tb, some, 10, check)
}

// Catches reports whether check finds anything wrong after any of the cuts that
// Check would make: for a trace without fsyncs that are needed, it must.
func (t *Trace) Catches(tb testing.TB, some int, check func(disk string, promises []string) error) bool {
	tb.Helper()
	return len(t.check(tb, some, 1, check)) > 0
}

// check gives up after so many findings.
func (t *Trace) check(tb testing.TB, some, most int, check func(disk string, promises []string) error) []string {
	tb.Helper()
	stride := max(t.Len()/some, 1)
	if os.Getenv(everyEnv) != "" {
		stride = 1
	}
	base := cheapDir(tb)
	var wrong []string
	cuts := 0
	for cut := range t.Cuts() {
		if cut.After%stride != 0 && cut.After != t.Len() {
			continue
		}
		for n, survival := range Survivals {
			if len(wrong) == most {
				break
			}
			dir := filepath.Join(base, fmt.Sprintf("%d-%d", cut.After, n))
			if err := cut.Restore(dir, survival, uint64(n)); err != nil {
				tb.Fatal(err)
			}
			if err := check(dir, cut.Promises); err != nil {
				wrong = append(wrong, fmt.Sprintf("%s survives a cut after step %d, %s: %v", survival, cut.After, cut.Last, err))
			}
			if err := os.RemoveAll(dir); err != nil {
				tb.Fatal(err)
			}
			cuts++
		}
	}
	tb.Logf("%d steps, %d cuts, %d wrong", t.Len(), cuts, len(wrong))
	return wrong
}

// cheapDir is a folder in memory, where fsync costs nothing, if there is one.
func cheapDir(tb testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "powercut") //nolint:usetesting // in memory
	if err != nil {
		return tb.TempDir()
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	return dir
}
