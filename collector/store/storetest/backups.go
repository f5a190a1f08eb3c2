package storetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"nrd"
	"nrd/collector/store"
)

// backup copies a store while records come in.
func backup(t *testing.T, subject Subject) {
	s, ctx := open(t, subject), context.Background()
	var before []nrd.Record
	for i := range 20 {
		before = append(before, add(t, s, Record("unit-1", uint64(i+1), nrd.VRM(fmt.Sprintf("OLD%d", i)), Noon.Add(time.Duration(i%4)*24*time.Hour))))
	}
	logLines(t, s, 3)
	if err := s.PutAccount(ctx, store.Account{Name: "ann"}); err != nil {
		t.Fatal(err)
	}

	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			r := Record("unit-2", uint64(i+1), "NEW", Noon.Add(time.Duration(i%5)*24*time.Hour))
			if _, err := s.Insert(ctx, Items(r, Noon)); err != nil {
				t.Errorf("Insert during a backup: %v", err)
				return
			}
		}
	})
	dir := filepath.Join(t.TempDir(), "backup")
	var done, total int64
	err := s.Backup(ctx, dir, func(d, all int64) {
		if d < done || d > all || all <= 0 {
			t.Errorf("progress goes from %d to %d of %d", done, d, all)
		}
		done, total = d, all
	})
	close(stop)
	writer.Wait()
	if err != nil {
		t.Fatalf("Backup: %v", err)
	}
	if done != total || total == 0 {
		t.Errorf("the last progress was %d of %d", done, total)
	}

	c := subject.Open(t, dir)
	defer c.Close() //nolint:errcheck // a test of what was copied
	for _, r := range before {
		holds(t, c, r)
	}
	for _, r := range search(t, c, store.Query{Pattern: "NEW", Limit: store.MaxLimit}) {
		for _, kind := range []nrd.ImageKind{nrd.ImagePatch, nrd.ImageOverview} {
			if _, err := c.Image(ctx, r.Key, kind); err != nil {
				t.Errorf("a record came into the copy without its %s: %v", kind, err)
			}
		}
	}
	if err := c.CheckAccessLog(ctx); err != nil {
		t.Error(err)
	}
	if lines, err := c.AccessLog(ctx, 1, 10); err != nil || len(lines) != 3 {
		t.Errorf("the copy's access log has %d lines, %v", len(lines), err)
	}
	if _, err := c.Account(ctx, "ann"); err != nil {
		t.Error(err)
	}
	add(t, c, Record("unit-3", 1, "MORE", Noon)) // it is a store like any other
}

func backupNotEmpty(t *testing.T, subject Subject) {
	s := open(t, subject)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "letter"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Backup(context.Background(), dir, nil); err == nil {
		t.Error("a backup into a folder that is not empty succeeded")
	}
}
