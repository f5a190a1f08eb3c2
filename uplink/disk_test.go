package uplink

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"nrd"
)

func TestAFullDiskRefusesAndLosesNothing(t *testing.T) {
	c := config(t)
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	smallDisk(t, c.Dir)
	b := open(t, c)
	var keys []nrd.Key
	var err error
	for err == nil {
		var key nrd.Key
		if key, err = b.Append(read(c.Clock, "READ")); err == nil {
			keys = append(keys, key)
		}
	}
	if !errors.Is(err, ErrFull) || len(keys) < 10 {
		t.Fatalf("after %d records: %v, want ErrFull", len(keys), err)
	}
	check := func() {
		t.Helper()
		there := map[nrd.Key]int{}
		for _, i := range queue(t, b) {
			there[b.keyOf(i.id)]++
		}
		for _, key := range keys {
			if there[key] != 3 {
				t.Errorf("of %v %d of 3 parts are there", key, there[key])
			}
		}
	}
	check()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, c)
	check()

	// Receipts give room, and then it goes on.
	items := queue(t, b)
	for n := range len(items) / 2 {
		if err := b.ask(&request{removes: []itemID{items[n].id}}); err != nil {
			t.Fatal(err)
		}
	}
	var gone []itemID
	for _, i := range items[len(items)/2:] {
		gone = append(gone, i.id)
	}
	if err := b.ask(&request{removes: gone}); err != nil {
		t.Fatal(err)
	}
	keys = []nrd.Key{add(t, b, read(c.Clock, "READ"))}
	check()
}

// smallDisk mounts a file system of 2 MiB in the folder. Where that is not
// allowed it fills up this process's allowance of file size instead.
func smallDisk(t *testing.T, dir string) {
	t.Helper()
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", dir).CombinedOutput()
	if err != nil {
		limitFileSize(t)
		t.Logf("no small file system (%s), so the size of files is limited", out)
		return
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount %s: %v: %s", dir, err, out)
		}
	})
}

func limitFileSize(t *testing.T) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	limited := syscall.Rlimit{Cur: 1 << 20, Max: before.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limited); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
			t.Error(err)
		}
		signal.Reset(syscall.SIGXFSZ)
	})
}
