package uplink

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"nrd/internal/powercut"
)

const flashRecords = 400

// flashLives are what becomes of the records: they are kept, or they are received
// too, one receipt for the text and one for the images.
var flashLives = []string{"kept", "kept and stored"}

// TestFlashProgram is no test of its own: the others watch what it writes.
func TestFlashProgram(t *testing.T) {
	life := os.Getenv(cutProgram)
	if powercut.Dir() == "" || life == "" {
		return
	}
	c := cutConfig(powercut.Dir())
	c.MaxBytes = 1 << 30
	buffer := open(t, c)
	for range flashRecords {
		key := add(t, buffer, read(c.Clock, "AB12CDE"))
		if life == "kept" {
			continue
		}
		ids := itemsOf(key.Sequence, false, true)
		for _, part := range [][]itemID{ids[:1], ids[1:]} {
			if err := buffer.ask(&request{removes: part}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// flashIsSpared says what a record with both images from one camera cost.
func flashIsSpared(t *testing.T, life string, written int64) {
	t.Helper()
	size := int64(len(patch().JPEG) + len(overview().JPEG))
	written /= flashRecords
	t.Logf("%s: %d bytes for a record with images of %d: %.2f times", life, written, size, float64(written)/float64(size))
	if written > 2*size {
		t.Errorf("%s: a record of %d bytes costs %d", life, size, written)
	}
}

// What the file system writes for itself is not in it.
func TestARecordIsWrittenLessThanTwice(t *testing.T) {
	for _, life := range flashLives {
		flashIsSpared(t, life, powercut.Watch(t, "TestFlashProgram", cutProgram+"="+life).Flash())
	}
}

// All that reaches the device counts, with ext4's own journal.
func TestARecordIsWrittenLessThanTwiceByExt4(t *testing.T) {
	for _, life := range flashLives {
		dir, device := mountExt4(t)
		before := sectorsWritten(t, dir, device)
		test := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFlashProgram$")
		test.Env = append(os.Environ(), powercut.DirEnv+"="+dir, cutProgram+"="+life)
		if out, err := test.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		flashIsSpared(t, life, 512*(sectorsWritten(t, dir, device)-before))
	}
}

// mountExt4 makes a disk of a file, with the blocks that Debian gives any disk of
// half a gigabyte or more, and mounts it.
func mountExt4(t *testing.T) (dir, device string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root mounts a file as a disk")
	}
	dir = t.TempDir()
	disk := filepath.Join(t.TempDir(), "disk")
	if err := errors.Join(os.WriteFile(disk, nil, 0o600), os.Truncate(disk, 600<<20)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "mkfs.ext4", "-q", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0", disk).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v: %s", err, out)
	}
	if out, err := exec.CommandContext(t.Context(), "mount", "-o", "loop", disk, dir).CombinedOutput(); err != nil {
		t.Skipf("this machine mounts no file as a disk: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	var at unix.Stat_t
	if err := unix.Stat(dir, &at); err != nil {
		t.Fatal(err)
	}
	return dir, fmt.Sprintf("/sys/dev/block/%d:%d/stat", unix.Major(at.Dev), unix.Minor(at.Dev))
}

// sectorsWritten is how many sectors of 512 bytes the device has written, with all
// that the file system still held back.
func sectorsWritten(t *testing.T, dir, device string) int64 {
	t.Helper()
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(unix.Syncfs(int(d.Fd())), d.Close()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(device)
	if err != nil {
		t.Fatal(err)
	}
	var reads, merged, sectors, ms, writes, writesMerged, written int64
	if _, err := fmt.Sscan(strings.TrimSpace(string(text)), &reads, &merged, &sectors, &ms, &writes, &writesMerged, &written); err != nil {
		t.Fatal(err)
	}
	return written
}
