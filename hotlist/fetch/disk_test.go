package fetch

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// smallDisk mounts a disk of so many bytes; without the right to mount the test
// says so and is left.
func smallDisk(t *testing.T, bytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Skipf("a small disk cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func copyDir(t *testing.T, from, to string) string {
	t.Helper()
	must(t, os.CopyFS(filepath.Join(to, "unit"), os.DirFS(from)))
	return filepath.Join(to, "unit")
}
