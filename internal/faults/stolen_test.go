package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"nrd"
	"nrd/collector/store"
	"nrd/collector/store/sqlite"
	"nrd/collector/store/storetest"
	"nrd/hotlist"
	"nrd/internal/clock"
	"nrd/internal/faults/generate"
	"nrd/internal/sealed"
	"nrd/internal/stolen"
	"nrd/uplink"
)

// TestAStolenDiskGivesUpNeitherMarksNorKeys lets a unit's buffer and lists and
// central's store work on a file system in a file, each with more than it keeps,
// and then looks at every byte of that file: freed blocks and pages, journals and
// logs included. The keys are elsewhere, as a systemd credential's or a TPM's are.
func TestAStolenDiskGivesUpNeitherMarksNorKeys(t *testing.T) {
	disk := stolen.Mount(t)
	unitKey, masterKey := sealed.NewKey(), sealed.NewKey()
	records := make([]*nrd.Record, 600)
	for n := range records {
		records[n] = generate.Record(1, uint64(n+1), nrd.Stamp{UTC: time.Date(2026, 11, 21+n%3, 8, 0, 0, n, time.UTC), Proved: true, Source: nrd.ClockNTP})
	}
	fillUnit(t, filepath.Join(disk.Dir, "unit"), unitKey, records)
	fillCentral(t, filepath.Join(disk.Dir, "central"), masterKey, records)
	for _, found := range disk.Search(needles(records, map[string]*sealed.Key{"the unit's key": unitKey, "central's master key": masterKey})) {
		t.Errorf("%s is on the disk in clear", found)
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

// needles are marks and keys as they might be written, and pictures.
func needles(records []*nrd.Record, keys map[string]*sealed.Key) (all []stolen.Needle) {
	marks := map[string]bool{}
	for _, r := range records[:150] {
		marks[string(r.Read.VRM)] = true
	}
	for n := range generate.Wanted {
		marks[string(generate.WantedMark(n))] = true
	}
	for mark := range marks {
		all = append(all, stolen.Text("the mark "+mark, mark)...)
	}
	for name, key := range keys {
		all = append(all, stolen.Secret(name, key.Bytes())...)
	}
	for _, r := range records[:50] {
		if jpeg := r.Patch.JPEG; len(jpeg) > 0 {
			all = append(all, stolen.Needle{What: "a picture", Bytes: jpeg[len(jpeg)-24:]})
		}
	}
	return all
}
