package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"nrd"
	"nrd/collector/store"
	"nrd/collector/store/sqlite"
	"nrd/collector/store/storetest"
	"nrd/hotlist"
	"nrd/internal/clock"
	"nrd/internal/faults/generate"
	"nrd/internal/sealed"
	"nrd/uplink"
)

// careless is a mark that the test itself leaves on the disk, in a file that it
// removes: what is not found when that is found is not there.
const careless = "CARE1ESS"

// TestAStolenDiskGivesUpNeitherMarksNorKeys lets a unit's buffer and lists and
// central's store work on a file system in a file, each with more than it keeps,
// and then looks at every byte of that file: freed blocks and pages, journals and
// logs included. The keys are elsewhere, as a systemd credential's or a TPM's are.
func TestAStolenDiskGivesUpNeitherMarksNorKeys(t *testing.T) {
	image, mounted := mountImage(t)
	unitKey, masterKey := sealed.NewKey(), sealed.NewKey()
	records := make([]*nrd.Record, 600)
	for n := range records {
		records[n] = generate.Record(1, uint64(n+1), nrd.Stamp{UTC: time.Date(2026, 11, 21+n%3, 8, 0, 0, n, time.UTC), Proved: true, Source: nrd.ClockNTP})
	}
	fillUnit(t, filepath.Join(mounted, "unit"), unitKey, records)
	fillCentral(t, filepath.Join(mounted, "central"), masterKey, records)
	leaveCareless(t, filepath.Join(mounted, "careless"))
	unmountImage(t, mounted)

	data := written(t, image)
	if find(data, []needle{{careless, []byte(careless)}}) == nil {
		t.Fatal("a mark that was left in a file and removed is not found: this search finds nothing")
	}
	for _, found := range find(data, needles(records, map[string]*sealed.Key{"the unit's key": unitKey, "central's master key": masterKey})) {
		t.Errorf("%s is on the disk in clear", found)
	}
	t.Logf("%d kB were searched", len(data)>>10)
}

// mountImage makes a file system in a file.
func mountImage(t *testing.T) (image, mounted string) {
	t.Helper()
	image, mounted = filepath.Join(t.TempDir(), "image"), t.TempDir()
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 64<<20); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"mkfs.ext4", "-q", "-F", image}, {"mount", "-o", "loop", image, mounted}} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Skipf("mounting a file system in a file is not permitted here: %v: %s", err, out)
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mounted, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			t.Error(err)
		}
	})
	return image, mounted
}

func unmountImage(t *testing.T, mounted string) {
	t.Helper()
	if err := unix.Unmount(mounted, 0); err != nil {
		t.Fatal(err)
	}
}

// fillUnit gives a buffer more than it has room for, and a unit two lists, of
// which one is removed.
func fillUnit(t *testing.T, dir string, key *sealed.Key, records []*nrd.Record) {
	t.Helper()
	c, log := clock.NewManual(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)), slog.New(slog.DiscardHandler)
	lists, err := hotlist.Open(hotlist.CacheConfig{Path: filepath.Join(dir, "lists"), Key: key, Clock: c, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(t.TempDir(), "list.dat")
	if err := writeList(source); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"wanted", "removed"} {
		if _, err := lists.Import(t.Context(), name, source); err != nil {
			t.Fatal(err)
		}
	}
	if err := lists.Remove("removed"); err != nil {
		t.Fatal(err)
	}
	b, err := uplink.OpenBuffer(uplink.BufferConfig{Dir: filepath.Join(dir, "buffer"), Device: device, Key: key, MaxBytes: 1 << 20, Clock: c, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	var cameras errgroup.Group // they share fsyncs
	cameras.SetLimit(32)
	for _, r := range records {
		cameras.Go(func() error {
			kept := *r
			var err error
			if kept.Hits, err = lists.Match(r.Read.VRM); err != nil {
				return err
			}
			if _, err = b.Append(&kept); errors.Is(err, uplink.ErrFull) {
				return nil
			}
			return err
		})
	}
	if err := cameras.Wait(); err != nil {
		t.Fatal(err)
	}
	stats, err := b.Stats()
	if err != nil || stats.Dropped["image"] == 0 || stats.Records == 0 {
		t.Fatalf("the buffer was to hold some and drop some: %+v, %v", stats, err)
	}
	if err := errors.Join(b.Close(), lists.Close()); err != nil {
		t.Fatal(err)
	}
}

// fillCentral stores the records of three days, and weeds one of them.
func fillCentral(t *testing.T, dir string, key *sealed.Key, records []*nrd.Record) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(sqlite.Config{Dir: filepath.Join(dir, "store"), Key: key, Clock: clock.System(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	received := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	var items []store.Item
	for n, r := range records {
		stored := *r
		stored.Key = nrd.Key{Device: device, Epoch: 5, Sequence: uint64(n + 1)}
		items = append(items, slices.DeleteFunc(storetest.Items(stored, received), func(i store.Item) bool {
			return i.Kind != store.KindRecord && len(i.Image.JPEG) == 0
		})...)
	}
	for batch := range slices.Chunk(items, 300) {
		if _, err := s.Insert(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Log(t.Context(), store.Access{At: received, Account: "jane.doe", Action: "search", Subject: string(generate.WantedMark(1)), Reason: "a reason", Outcome: "ok"}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.RemoveDay(context.Background(), "2026-11-21"), s.Close()); err != nil {
		t.Fatal(err)
	}
}

func leaveCareless(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(strings.Repeat(careless, 1000))
	if err := errors.Join(err, f.Sync(), f.Close(), os.Remove(path)); err != nil {
		t.Fatal(err)
	}
}

// written gives the blocks of the image in which there is anything.
func written(t *testing.T, image string) []byte {
	t.Helper()
	all, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	const block = 4096
	var data []byte
	for part := range slices.Chunk(all, block) {
		if len(bytes.Trim(part, "\x00")) > 0 {
			data = append(data, part...)
		}
	}
	return data
}

// find gives the needles that are in the data. It goes over the data once, by
// the needles' first bytes.
func find(data []byte, needles []needle) (found []string) {
	const first = 4
	starts := map[[first]byte][]needle{}
	for _, n := range needles {
		start := [first]byte(n.bytes)
		starts[start] = append(starts[start], n)
	}
	for at := range len(data) - first {
		for _, n := range starts[[first]byte(data[at:])] {
			if bytes.HasPrefix(data[at:], n.bytes) {
				found = append(found, n.what)
			}
		}
	}
	return found
}

// needle is something that must not be found.
type needle struct {
	what  string
	bytes []byte
}

// needles are marks and keys as they might be written, and pictures.
func needles(records []*nrd.Record, keys map[string]*sealed.Key) (all []needle) {
	marks := map[string]bool{}
	for _, r := range records[:150] {
		marks[string(r.Read.VRM)] = true
	}
	for n := range generate.Wanted {
		marks[string(generate.WantedMark(n))] = true
	}
	for mark := range marks {
		for how, text := range encodings([]byte(mark)) {
			all = append(all, needle{fmt.Sprintf("the mark %s, %s,", mark, how), text})
		}
		all = append(all, needle{"the mark " + mark + " in small letters", []byte(strings.ToLower(mark))})
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			var wide []byte
			for _, u := range utf16.Encode([]rune(mark)) {
				wide = order.AppendUint16(wide, u)
			}
			all = append(all, needle{"the mark " + mark + " in UTF-16", wide})
		}
	}
	for name, key := range keys {
		for how, text := range encodings(key.Bytes()) {
			all = append(all, needle{name + ", " + how + ",", text})
		}
	}
	for _, r := range records[:50] {
		if jpeg := r.Patch.JPEG; len(jpeg) > 0 {
			all = append(all, needle{"a picture", jpeg[len(jpeg)-24:]})
		}
	}
	return all
}

// encodings gives bytes as they are and as text, in base64 for each of the three
// places that they may have in a longer text.
func encodings(b []byte) map[string][]byte {
	reversed := bytes.Clone(b)
	slices.Reverse(reversed)
	all := map[string][]byte{
		"as it is": b, "backwards": reversed,
		"in hexadecimal": []byte(hex.EncodeToString(b)), "in capital hexadecimal": []byte(strings.ToUpper(hex.EncodeToString(b))),
	}
	for shift := range 3 {
		text := base64.StdEncoding.EncodeToString(append(make([]byte, shift), b...))
		// The first and last characters depend on the neighbours too.
		from, to := (8*shift+5)/6, (8*(shift+len(b)))/6
		all[fmt.Sprintf("in base64 behind %d bytes", shift)] = []byte(text[from:to])
	}
	return all
}
