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

func TestADiskFullOfHitsRefusesAndLosesNothing(t *testing.T) {
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
		if key, err = b.Append(hit(c.Clock, "HIT")); err == nil {
			keys = append(keys, key)
		}
	}
	if !errors.Is(err, ErrFull) || len(keys) < 10 || !stats(t, b).Full {
		t.Fatalf("after %d records: %v, want ErrFull; %+v", len(keys), err, stats(t, b))
	}
	check := func() {
		t.Helper()
		if got := stats(t, b).Dropped["refused"]; got != 1 {
			t.Errorf("%d refused records are counted, want 1", got)
		}
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
	if stats(t, b).Full {
		t.Error("there is room again, and the buffer still says that it is full")
	}
}

func TestOnADiskThatOthersFillReadsMakeRoomForHits(t *testing.T) {
	c := config(t)
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	smallDisk(t, c.Dir)
	b := open(t, c)
	var appended int
	for stats(t, b).Dropped["image"] == 0 {
		add(t, b, read(c.Clock, "READ"))
		appended++
	}
	n, s := count(t, b), stats(t, b)
	if n[readText] != appended || n[readImage]+int(s.Dropped["image"]) != 2*appended || s.Full {
		t.Fatalf("of %d reads there wait %v, dropped %v: the oldest images go first, and each is counted", appended, n, s.Dropped)
	}
	hits := 0
	var err error
	for ; err == nil; hits++ {
		_, err = b.Append(hit(c.Clock, "HIT"))
	}
	hits--
	n, s = count(t, b), stats(t, b)
	if !errors.Is(err, ErrFull) || n[hitText] != hits || n[hitImage] != 2*hits || n[readImage] != 0 || hits < 10 {
		t.Errorf("%v after %d hits; waiting %v, %+v", err, hits, n, s)
	}
	if n[readText]+int(s.Dropped["record"]) != appended || n[readImage]+int(s.Dropped["image"]) != 2*appended {
		t.Errorf("of %d reads there wait %v, dropped %v", appended, n, s.Dropped)
	}
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
