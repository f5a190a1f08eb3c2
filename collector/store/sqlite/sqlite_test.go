package sqlite

import (
	"testing"

	"go.uber.org/goleak"

	"nrd/collector/store"
	"nrd/collector/store/storetest"
	"nrd/internal/sealed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// openStore opens a store that the caller closes.
func openStore(t testing.TB, dir string, key *sealed.Key) *Store {
	t.Helper()
	s, err := Open(Config{Dir: dir, Key: key})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return s
}

func TestStore(t *testing.T) {
	key := sealed.NewKey()
	behind := func(query string) func(*testing.T, store.Store, uint64) {
		return func(t *testing.T, s store.Store, sequence uint64) {
			t.Helper()
			own, ok := s.(*Store)
			if !ok {
				t.Fatalf("the store is a %T", s)
			}
			if _, err := own.site.db.Exec(query, sequence); err != nil {
				t.Fatal(err)
			}
		}
	}
	storetest.Run(t, storetest.Subject{
		Open:       func(t *testing.T, dir string) store.Store { return openStore(t, dir, key) },
		ChangeLine: behind(`UPDATE access SET reason='curiosity' WHERE sequence=?`),
		RemoveLine: behind(`DELETE FROM access WHERE sequence=?`),
	})
}
