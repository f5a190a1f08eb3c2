package sqlite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"nrd"
	"nrd/collector/store"
	"nrd/collector/store/storetest"
	"nrd/internal/sealed"
)

// The child of TestKilledWhileInserting finds its store and key here.
const (
	childDir = "NRD_STORE_CHILD_DIR"
	childKey = "NRD_STORE_CHILD_KEY"
)

// crashRecord is the record that a child stores under a sequence.
func crashRecord(sequence uint64) nrd.Record {
	return storetest.Record("unit-1", sequence, "AB12CDE", storetest.Noon.Add(time.Duration(sequence%3)*24*time.Hour))
}

// TestChildInserts is no test of its own: TestKilledWhileInserting runs it in
// another process. It prints each sequence after Insert has promised it.
func TestChildInserts(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		return
	}
	key, err := sealed.LoadKey(os.Getenv(childKey))
	if err != nil {
		t.Fatal(err)
	}
	first, err := strconv.ParseUint(os.Args[len(os.Args)-1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	s := openStore(t, dir, key)
	for sequence := first; ; sequence += 2 {
		items := append(storetest.Items(crashRecord(sequence), storetest.Noon), storetest.Items(crashRecord(sequence+1), storetest.Noon)...)
		if _, err := s.Insert(context.Background(), items); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("promised %d\n", sequence+1)
	}
}

func TestKilledWhileInserting(t *testing.T) {
	dir, keyFile := t.TempDir(), filepath.Join(t.TempDir(), "key")
	key, err := sealed.CreateKey(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	var promised uint64
	for _, after := range []int{1, 17, 40} {
		promised = killChild(t, dir, keyFile, promised, after)
		s := openStore(t, dir, key)
		for sequence := uint64(1); sequence <= promised; sequence++ {
			r := crashRecord(sequence)
			for kind, want := range map[nrd.ImageKind]nrd.Image{nrd.ImagePatch: r.Patch, nrd.ImageOverview: r.Overview} {
				if image, err := s.Image(context.Background(), r.Key, kind); err != nil || string(image.JPEG) != string(want.JPEG) {
					t.Fatalf("the %s of %d was promised: %v", kind, sequence, err)
				}
			}
			if _, err := s.Record(context.Background(), r.Key); err != nil {
				t.Fatalf("record %d was promised: %v", sequence, err)
			}
		}
		found, err := s.Search(context.Background(), store.Query{Limit: store.MaxLimit})
		if err != nil || uint64(len(found)) < promised {
			t.Fatalf("search finds %d of %d: %v", len(found), promised, err)
		}
		// What was not promised may be there or not, but it is whole, and it
		// can be sent again.
		for sequence := promised + 1; sequence <= promised+2; sequence++ {
			results, err := s.Insert(context.Background(), storetest.Items(crashRecord(sequence), storetest.Noon))
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range results {
				if r.Outcome != store.Stored && r.Outcome != store.Duplicate {
					t.Errorf("sending %d again: %+v", sequence, r)
				}
			}
		}
		promised += 2
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killChild lets a child insert from behind promised on and kills it after so
// many lines; it gives the last sequence that the child was promised.
func killChild(t *testing.T, dir, keyFile string, promised uint64, after int) uint64 {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestChildInserts$", "-test.timeout=60s", "--", strconv.FormatUint(promised+1, 10))
	child.Env = append(os.Environ(), childDir+"="+dir, childKey+"="+keyFile)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); {
		text, ok := strings.CutPrefix(lines.Text(), "promised ")
		if !ok {
			t.Log(lines.Text())
			continue
		}
		if promised, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
		if n++; n == after {
			if err := child.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	var exit *exec.ExitError
	if err := child.Wait(); !errors.As(err, &exit) || exit.String() != "signal: killed" {
		t.Fatalf("the child ended by itself: %v", err)
	}
	return promised
}

func TestAFullDiskHoldsNothingByHalf(t *testing.T) {
	dir, ballast := smallDisk(t)
	key := sealed.NewKey()
	s := openStore(t, filepath.Join(dir, "store"), key)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx := context.Background()
	var promised uint64
	for {
		_, err := s.Insert(ctx, storetest.Items(crashRecord(promised+1), storetest.Noon))
		if errors.Is(err, store.ErrFull) {
			break
		}
		if err != nil {
			t.Fatalf("a full disk is not ErrFull but: %v", err)
		}
		promised++
	}
	if promised == 0 {
		t.Fatal("nothing fitted at all: the test's disk is too small")
	}
	for range 3 { // again and again changes nothing
		if _, err := s.Insert(ctx, storetest.Items(crashRecord(promised+1), storetest.Noon)); !errors.Is(err, store.ErrFull) {
			t.Fatalf("the disk is still full, but: %v", err)
		}
	}
	holdsUpTo(t, s, promised)
	for name, day := range s.days.open {
		if info, err := os.Stat(filepath.Join(s.days.folder(name), imagesFile)); err != nil || info.Size() != day.totals().imageEnd {
			t.Errorf("images that were refused still take room on day %s: %v", name, err)
		}
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	results, err := s.Insert(ctx, storetest.Items(crashRecord(promised+1), storetest.Noon))
	if err != nil || results[0].Outcome != store.Stored {
		t.Fatalf("with room again: %+v, %v", results, err)
	}
	holdsUpTo(t, s, promised+1)
}

func TestAStoreOnAFullDiskSaysSoAndOpensWhenThereIsRoom(t *testing.T) {
	dir, ballast := smallDisk(t)
	folder, key, ctx := filepath.Join(dir, "store"), sealed.NewKey(), context.Background()
	s := openStore(t, folder, key)
	if _, err := s.Insert(ctx, storetest.Items(crashRecord(1), storetest.Noon)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, folder, key)
	s.days.close() // opening looks for releases that were cut off, in each day
	fill(t, ballast)
	if _, err := s.Latest(ctx, 1); !errors.Is(err, store.ErrFull) {
		t.Errorf("a day was opened on a full disk, and: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	fill(t, ballast) // what closing gave back
	if _, err := Open(Config{Dir: folder, Key: key}); !errors.Is(err, store.ErrFull) {
		t.Fatalf("the store was opened on a full disk, and: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, folder, key)
	defer s.Close() //nolint:errcheck // a test of what is there
	holdsUpTo(t, s, 1)
}

// smallDisk gives a folder on a disk of 3 MB, and a file in it of 1 MB that can be taken away.
func smallDisk(t *testing.T) (dir, ballast string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("mounting a small file system is not permitted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	ballast = filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, ballast
}

// fill has the file take all the room that is left.
func fill(t *testing.T, ballast string) {
	t.Helper()
	f, err := os.OpenFile(ballast, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4<<10))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// holdsUpTo wants every record with its images, and totals that agree.
func holdsUpTo(t *testing.T, s *Store, last uint64) {
	t.Helper()
	for sequence := uint64(1); sequence <= last; sequence++ {
		r := crashRecord(sequence)
		if image, err := s.Image(context.Background(), r.Key, nrd.ImageOverview); err != nil || string(image.JPEG) != string(r.Overview.JPEG) {
			t.Fatalf("the overview of %d: %v", sequence, err)
		}
	}
	if _, err := s.Record(context.Background(), crashRecord(last+1).Key); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a record that was refused: %v, want ErrNotFound", err)
	}
	if got, err := s.Totals(context.Background()); err != nil || got.Records != last || got.Images != 2*last {
		t.Errorf("Totals: %+v, %v, want %d records", got, err, last)
	}
}
