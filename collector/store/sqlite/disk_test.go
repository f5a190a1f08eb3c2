package sqlite

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3/driver"

	"nrd"
	"nrd/collector/store"
	"nrd/collector/store/storetest"
	"nrd/internal/sealed"
)

// filled makes a store of three days with a record, a quarantined item, a
// waiting image, an account, a device and a line of the access log.
func filled(t *testing.T, dir string, key *sealed.Key) (*Store, []nrd.Record) {
	t.Helper()
	s, ctx := openStore(t, dir, key), context.Background()
	var records []nrd.Record
	var items []store.Item
	for i := range 3 {
		r := storetest.Hit(storetest.Record("unit-1", uint64(i+1), "SECRET1", storetest.Noon.Add(time.Duration(i)*24*time.Hour)))
		records = append(records, r)
		items = append(items, storetest.Items(r, r.Captured.UTC)...)
	}
	items = append(items, storetest.Items(storetest.Record("unit-1", 1, "SECRET2", storetest.Noon), storetest.Noon)[0])
	items = append(items, storetest.Items(storetest.Record("unit-1", 9, "SECRET3", storetest.Noon), storetest.Noon)[1])
	if _, err := s.Insert(ctx, items); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Log(ctx, store.Access{At: storetest.Noon, Account: "secret-name", Action: "search", Subject: "SECRET1", Reason: "secret reason"}); err != nil {
		t.Fatal(err)
	}
	if err := s.PutAccount(ctx, store.Account{Name: "secret-name", PasswordHash: "$argon2id$secret"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Seen(ctx, store.Heard{Device: "secret-device", At: storetest.Noon}); err != nil {
		t.Fatal(err)
	}
	return s, records
}

// everyFile calls f with the content of every file below dir.
func everyFile(t *testing.T, dir string, f func(path string, content []byte)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		f(path, content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestNothingIsOnDiskInClear(t *testing.T) {
	dir, key := t.TempDir(), sealed.NewKey()
	s, records := filled(t, dir, key)
	backup := filepath.Join(dir, "backup")
	if err := s.Backup(context.Background(), backup, nil); err != nil {
		t.Fatal(err)
	}
	look := func(when string) {
		files := 0
		everyFile(t, dir, func(path string, content []byte) {
			files++
			for _, secret := range [][]byte{
				[]byte("SECRET"), []byte("secret"), []byte("unit-1"), []byte("SQLite format"), []byte("Example Police"),
				records[0].Patch.JPEG[64:96], records[0].Overview.JPEG[20000:20032], key.Bytes(),
			} {
				if bytes.Contains(content, secret) {
					t.Errorf("%s, %s holds %q in clear", when, path, secret)
				}
			}
		})
		if files < 15 {
			t.Errorf("%s only %d files were looked at", when, files)
		}
	}
	look("while open") // with the write-ahead logs
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	look("when closed")
}

func TestARemovedDayIsGone(t *testing.T) {
	dir, key, ctx := t.TempDir(), sealed.NewKey(), context.Background()
	s, records := filled(t, dir, key)
	day := dayOf(records[0].Captured.UTC)
	dayKey, err := s.site.dayKey(ctx, day)
	if err != nil {
		t.Fatal(err)
	}
	box := sealedKey(t, s, day)
	if err := s.RemoveDay(ctx, day); err != nil {
		t.Fatalf("RemoveDay: %v", err)
	}
	if info, err := os.Stat(filepath.Join(dir, siteFile+"-wal")); err != nil || info.Size() != 0 {
		t.Errorf("the site database's log still holds what was removed: %v, %v", info, err)
	}
	if err := s.RemoveDay(ctx, day); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("RemoveDay again: %v, want ErrNotFound", err)
	}
	if _, err := os.Stat(filepath.Join(dir, daysFolder, day)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the day's folder: %v, want gone", err)
	}
	if _, err := s.Record(ctx, records[0].Key); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Record: %v, want ErrNotFound", err)
	}
	if found, err := s.Search(ctx, store.Query{}); err != nil || len(found) != 2 {
		t.Errorf("search finds %d, %v, want the two other days", len(found), err)
	}
	if latest, err := s.Latest(ctx, 10); err != nil || len(latest) != 2 {
		t.Errorf("Latest: %d, %v, want 2", len(latest), err)
	}
	if totals, err := s.Totals(ctx); err != nil || totals.Records != 2 || totals.Quarantined != 0 || totals.Days != 2 {
		t.Errorf("Totals: %+v, %v", totals, err)
	}
	// Neither the key nor its box stands in any page of the site database or
	// its log, used or free, looked at with the site's own key.
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	pages := decrypted(t, filepath.Join(dir, siteFile), key.Derive(sitePurpose))
	if !bytes.Contains(pages, []byte(dayOf(records[1].Captured.UTC))) {
		t.Fatal("the site database was not decrypted: the days that are left do not show")
	}
	for what, secret := range map[string][]byte{"the key": dayKey.Bytes(), "the sealed key": box} {
		if bytes.Contains(pages, secret) {
			t.Errorf("%s of the removed day still stands in the site database", what)
		}
	}
	s = openStore(t, dir, key)
	defer s.Close() //nolint:errcheck // a test of what was there
	// A record of that day that comes late makes the day anew, under a new key.
	if _, err := s.Insert(ctx, storetest.Items(records[0], storetest.Noon)); err != nil {
		t.Fatal(err)
	}
	if again, err := s.site.dayKey(ctx, day); err != nil || bytes.Equal(again.Bytes(), dayKey.Bytes()) {
		t.Errorf("the day's new key is the old one, or: %v", err)
	}
}

func TestAnEntryThatIsTakenOffAListIsGone(t *testing.T) {
	dir, key, ctx := t.TempDir(), sealed.NewKey(), context.Background()
	s := openStore(t, dir, key)
	put := func(marks ...nrd.VRM) {
		t.Helper()
		var c store.EntryChange
		for _, mark := range marks {
			c.Put = append(c.Put, store.ListEntry{Entry: nrd.Entry{VRM: mark}})
		}
		if err := s.ChangeEntries(ctx, "burglars", c, store.Retrospect{}); err != nil {
			t.Fatal(err)
		}
	}
	put("GONE1", "STAYS1")
	entries, err := s.Entries(ctx, store.EntryQuery{List: "burglars", VRM: "GONE1"})
	if err != nil || len(entries) != 1 {
		t.Fatal(entries, err)
	}
	if err := s.ChangeEntries(ctx, "burglars", store.EntryChange{Remove: []uint64{entries[0].ID}}, store.Retrospect{}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, siteFile+"-wal")); err != nil || info.Size() != 0 {
		t.Errorf("the log still holds what was removed: %v, %v", info, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	pages := decrypted(t, filepath.Join(dir, siteFile), key.Derive(sitePurpose))
	if !bytes.Contains(pages, []byte("STAYS1")) || bytes.Contains(pages, []byte("GONE1")) {
		t.Error("the entry still stands in the site database, or nothing does")
	}
}

func sealedKey(t *testing.T, s *Store, day string) (box []byte) {
	t.Helper()
	if err := s.site.db.QueryRow(`SELECT key FROM day WHERE day=?`, day).Scan(&box); err != nil {
		t.Fatal(err)
	}
	return box
}

// decrypted gives all pages of a database, the free ones too, in clear.
func decrypted(t *testing.T, path string, key *sealed.Key) []byte {
	t.Helper()
	db, err := openDatabase(path, key, siteSchema)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // only read
	inClear := filepath.Join(t.TempDir(), "clear.db")
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // only read
	if err := conn.Raw(func(raw any) error { return raw.(driver.Conn).Raw().Backup("main", "file:"+inClear) }); err != nil {
		t.Fatal(err)
	}
	pages, err := os.ReadFile(inClear)
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

func TestAStoreBelongsToOneProcess(t *testing.T) {
	dir, key := t.TempDir(), sealed.NewKey()
	s := openStore(t, dir, key)
	if _, err := Open(Config{Dir: dir, Key: key}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second Open: %v, want ErrInUse", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := openStore(t, dir, key).Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAnotherKeyOpensNothing(t *testing.T) {
	dir, key := t.TempDir(), sealed.NewKey()
	s, records := filled(t, dir, key)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: dir, Key: sealed.NewKey()}); !errors.Is(err, ErrKey) {
		t.Errorf("Open with another key: %v, want ErrKey", err)
	}
	s = openStore(t, dir, key) // and spoils nothing
	defer s.Close()            //nolint:errcheck // a test of what was there
	if _, err := s.Record(context.Background(), records[0].Key); err != nil {
		t.Error(err)
	}
}

func TestADamagedImageIsNotShown(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	s, records := filled(t, dir, sealed.NewKey())
	defer s.Close() //nolint:errcheck // a test of what is read
	path := filepath.Join(dir, daysFolder, dayOf(records[0].Captured.UTC), imagesFile)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{0xff}, 100); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Image(ctx, records[0].Key, nrd.ImagePatch); !errors.Is(err, sealed.ErrDamaged) {
		t.Errorf("Image: %v, want ErrDamaged", err)
	}
	if _, err := s.Image(ctx, records[0].Key, nrd.ImageOverview); err != nil {
		t.Errorf("its neighbour: %v", err)
	}
}

func TestRestore(t *testing.T) {
	key, ctx := sealed.NewKey(), context.Background()
	s, records := filled(t, t.TempDir(), key)
	backup := filepath.Join(t.TempDir(), "backup")
	if err := s.Backup(ctx, backup, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "restored")
	config := Config{Dir: to, Key: key}

	if err := Restore(ctx, config, t.TempDir(), nil); !errors.Is(err, ErrNoStore) {
		t.Errorf("from an empty folder: %v, want ErrNoStore", err)
	}
	if err := Restore(ctx, Config{Dir: to, Key: sealed.NewKey()}, backup, nil); !errors.Is(err, ErrKey) {
		t.Errorf("with another key: %v, want ErrKey", err)
	}
	stopped, stop := context.WithCancel(ctx)
	stop()
	if err := Restore(stopped, config, backup, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v, want Canceled", err)
	}
	if entries, err := os.ReadDir(to); err != nil || len(entries) != 0 {
		t.Errorf("restores that failed left %d files, %v", len(entries), err)
	}

	var done, total int64
	if err := Restore(ctx, config, backup, func(d, all int64) { done, total = d, all }); err != nil {
		t.Fatalf("Restore: %v", err)
	}
	if done != total || total == 0 {
		t.Errorf("the last progress was %d of %d", done, total)
	}
	if err := Restore(ctx, config, backup, nil); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("over a store: %v, want ErrNotEmpty", err)
	}
	s = openStore(t, to, key)
	defer s.Close() //nolint:errcheck // a test of what is there
	for _, r := range records {
		if _, err := s.Record(ctx, r.Key); err != nil {
			t.Error(err)
		}
		if image, err := s.Image(ctx, r.Key, nrd.ImageOverview); err != nil || !bytes.Equal(image.JPEG, r.Overview.JPEG) {
			t.Errorf("the overview of %s: %v", r.Key, err)
		}
	}
}

func TestADamagedBackupIsNotRestored(t *testing.T) {
	key, ctx := sealed.NewKey(), context.Background()
	s, records := filled(t, t.TempDir(), key)
	backup := filepath.Join(t.TempDir(), "backup")
	if err := s.Backup(ctx, backup, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	images := filepath.Join(backup, daysFolder, dayOf(records[0].Captured.UTC), imagesFile)
	if err := os.Truncate(images, 100); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "restored")
	if err := Restore(ctx, Config{Dir: to, Key: key}, backup, nil); err == nil {
		t.Error("a backup with images missing was restored")
	}
}

func TestRoomForImagesWithoutRecordIsBounded(t *testing.T) {
	s := openStore(t, t.TempDir(), sealed.NewKey())
	defer s.Close() //nolint:errcheck // a test of what is answered
	big := make([]byte, 3<<20)
	var outcomes []store.Outcome
	for i := range maxWaitingBytes/len(big) + 2 {
		item := storetest.Items(storetest.Record("unit-1", uint64(i+1), "AB12CDE", storetest.Noon), storetest.Noon)[2]
		item.Image.JPEG = big
		results, err := s.Insert(context.Background(), []store.Item{item})
		if err != nil {
			t.Fatal(err)
		}
		outcomes = append(outcomes, results[0].Outcome)
	}
	if first, last := outcomes[0], outcomes[len(outcomes)-1]; first != store.Stored || last != store.Postponed {
		t.Errorf("outcomes go from %d to %d, want Stored to Postponed", first, last)
	}
}
