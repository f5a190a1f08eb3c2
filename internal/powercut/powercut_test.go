package powercut

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"nrd/internal/sealed"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("POWERCUT_TEST_DIR"); dir != "" {
		if err := programs[os.Getenv("POWERCUT_TEST_PROGRAM")](dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

var old, later = bytes.Repeat([]byte("old "), 500), bytes.Repeat([]byte("new "), 700)

// programs replace a file's content in ways of which one is right.
var programs = map[string]func(dir string) error{
	"sealed.WriteFile": func(dir string) error {
		return replace(dir, func(path string, data []byte) error { return sealed.WriteFile(path, data, 0o600) })
	},
	"writing over it": func(dir string) error {
		return replace(dir, func(path string, data []byte) error {
			f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
			if err != nil {
				return err
			}
			_, err = f.Write(data)
			return errors.Join(err, f.Sync(), f.Close(), sealed.SyncDir(dir))
		})
	},
	"renaming without fsync": func(dir string) error {
		return replace(dir, func(path string, data []byte) error {
			return errors.Join(os.WriteFile(path+".new", data, 0o600), os.Rename(path+".new", path), sealed.SyncDir(dir))
		})
	},
	"mapping it into memory": func(dir string) error {
		return replace(dir, func(path string, data []byte) error {
			if err := sealed.WriteFile(path, data, 0o600); err != nil {
				return err
			}
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			mapped, err := unix.Mmap(int(f.Fd()), 0, len(data), unix.PROT_READ, unix.MAP_SHARED)
			if err != nil {
				return err
			}
			if !bytes.Equal(mapped, data) {
				return errors.New("memory shows something else than the file")
			}
			return errors.Join(unix.Munmap(mapped), f.Close())
		})
	},
}

// replace promises the old content, then the new one.
func replace(dir string, write func(path string, data []byte) error) error {
	for _, data := range [][]byte{old, later} {
		if err := write(filepath.Join(dir, "file"), data); err != nil {
			return err
		}
		if err := Promise(dir, string(data[:3])); err != nil {
			return err
		}
	}
	return nil
}

// traceOf runs a program on a disk.
func traceOf(t *testing.T, program string) *Trace {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skipf("this machine has no FUSE: %v", err)
	}
	dir := t.TempDir()
	disk, err := Mount(dir)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "POWERCUT_TEST_DIR="+dir, "POWERCUT_TEST_PROGRAM="+program)
	out, err := cmd.CombinedOutput()
	if err := errors.Join(err, disk.Unmount()); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return disk.Trace()
}

// broken gives the cuts after which the file is not what was promised.
func broken(t *testing.T, trace *Trace) []string {
	t.Helper()
	var cuts []string
	for cut := range trace.Cuts() {
		for _, survival := range Survivals {
			for seed := range uint64(8) {
				dir := filepath.Join(t.TempDir(), "disk")
				if err := cut.Restore(dir, survival, seed); err != nil {
					t.Fatal(err)
				}
				data, err := os.ReadFile(filepath.Join(dir, "file"))
				right := bytes.Equal(data, later)
				switch strings.Join(cut.Promises, " ") {
				case "":
					right = right || err != nil || bytes.Equal(data, old)
				case "old":
					right = right || bytes.Equal(data, old)
				}
				if !right {
					cuts = append(cuts, fmt.Sprintf("%s survives the cut after %s", survival, cut.Last))
				}
			}
		}
	}
	return cuts
}

func TestAFileThatIsReplacedInOneStepIsWholeAfterEveryCut(t *testing.T) {
	for _, program := range []string{"sealed.WriteFile", "mapping it into memory"} {
		trace := traceOf(t, program)
		if cuts := broken(t, trace); len(cuts) > 0 || trace.Len() < 10 {
			t.Errorf("%s, %d steps: %v", program, trace.Len(), cuts)
		}
	}
}

func TestProgramsThatAreNotSafeAreCaught(t *testing.T) {
	for program, want := range map[string]string{
		"writing over it":        "the cut after truncate file",
		"renaming without fsync": "the cut after fsync .",
	} {
		if cuts := strings.Join(broken(t, traceOf(t, program)), "\n"); !strings.Contains(cuts, want) {
			t.Errorf("%s: caught only: %s", program, cuts)
		}
	}
}

func TestAnFsyncThatIsLeftOutIsCaught(t *testing.T) {
	trace := traceOf(t, "sealed.WriteFile")
	for name, path := range map[string]func(string) bool{
		"of the folder": func(path string) bool { return path == "." },
		"of the file":   func(path string) bool { return path != "." },
	} {
		if len(broken(t, trace.Without(path))) == 0 {
			t.Errorf("nobody notices when the fsync %s is left out", name)
		}
	}
}

func TestFlashCountsWholeBlocksOnceBetweenFsyncs(t *testing.T) {
	trace := &Trace{steps: []step{
		{what: create, name: "a", other: 1},
		{what: write, node: 1, data: make([]byte, 10)},
		{what: write, node: 1, at: 10, data: make([]byte, 10)},
		{what: fsync, node: 1},
		{what: write, node: 1, at: 4090, data: make([]byte, 10)},
		{what: fsync, node: 1},
		{what: write, node: 1, at: 20, data: make([]byte, 10)},
	}}
	if got := trace.Flash(); got != 3*block {
		t.Errorf("%d bytes, want three blocks", got)
	}
}
