package powercut

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestWhatADiskIsMountedWithSurvivesEveryCut(t *testing.T) {
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skipf("this machine has no FUSE: %v", err)
	}
	from, dir, after := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "after")
	if err := os.Mkdir(filepath.Join(from, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(from, "folder", "file"), old, 0o600); err != nil {
		t.Fatal(err)
	}
	disk, err := MountCopy(dir, from)
	if err != nil {
		t.Fatal(err)
	}
	if err := disk.Unmount(); err != nil {
		t.Fatal(err)
	}
	if err := disk.Trace().End().Restore(after, Nothing, 1); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(after, "folder", "file")); err != nil || !bytes.Equal(got, old) {
		t.Errorf("%d bytes are left of %d: %v", len(got), len(old), err)
	}
	if _, err := MountCopy(dir, filepath.Join(from, "nowhere")); err == nil {
		t.Error("a folder that is not there was mounted")
	}
}
