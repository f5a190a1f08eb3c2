package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"nrd"
	"nrd/collector/store"
	"nrd/internal/sealed"
)

const siteVersion = 1

// What the keys derived from the master key, and from a day's key, are for.
const (
	sitePurpose    = "central's site database"
	dayKeysPurpose = "the keys of central's days"
	dayPurpose     = "records"
	imagesPurpose  = "images"
)

// A block is 1024 sequences of one device's epoch; place says that items of a
// block may lie in a day, arrival that records of a day may have been received
// in an hour (hours since 1970). Both are written before the day is: they may
// say too much, never too little. So a key is found without an index of all
// keys, which weeding would have to clear.
const siteSchema = `
	CREATE TABLE day(day TEXT PRIMARY KEY, key BLOB NOT NULL) STRICT, WITHOUT ROWID;
	CREATE TABLE place(device TEXT, epoch INTEGER, block INTEGER, day TEXT,
		PRIMARY KEY(device, epoch, block, day)) STRICT, WITHOUT ROWID;
	CREATE TABLE arrival(hour INTEGER, day TEXT, PRIMARY KEY(hour, day)) STRICT, WITHOUT ROWID;
	CREATE TABLE account(name TEXT PRIMARY KEY, data TEXT NOT NULL) STRICT, WITHOUT ROWID;
	CREATE TABLE device(name TEXT PRIMARY KEY, data TEXT NOT NULL) STRICT, WITHOUT ROWID;
	CREATE TABLE access(sequence INTEGER PRIMARY KEY, at INTEGER NOT NULL, account TEXT NOT NULL,
		action TEXT NOT NULL, subject TEXT NOT NULL, reason TEXT NOT NULL, origin TEXT NOT NULL,
		outcome TEXT NOT NULL, chain BLOB NOT NULL) STRICT;
	CREATE TABLE access_head(sequence INTEGER NOT NULL, chain BLOB NOT NULL) STRICT;
	INSERT INTO access_head VALUES (0, zeroblob(32))`

// maxBlocks bounds the memory of the blocks' places.
const maxBlocks = 100_000

type block struct {
	device string
	epoch  uint64
	number uint64
}

func blockOf(k nrd.Key) block { return block{k.Device, k.Epoch, k.Sequence >> 10} }

type place struct {
	block
	day string
}

type arrival struct {
	hour int64
	day  string
}

// site is the database of what outlives a day.
type site struct {
	db   *sql.DB
	keys *sealed.Key // seals the days' keys

	mu       sync.Mutex
	places   map[block][]string // what was looked up of table place
	arrivals map[arrival]bool   // what is known to be in table arrival
}

func openSite(path string, master *sealed.Key) (*site, error) {
	db, err := openDatabase(path, master.Derive(sitePurpose), siteVersion, siteSchema)
	if err != nil {
		return nil, err
	}
	return &site{
		db: db, keys: master.Derive(dayKeysPurpose),
		places: map[block][]string{}, arrivals: map[arrival]bool{},
	}, nil
}

// dayKey gives a day's key, or store.ErrNotFound.
func (s *site) dayKey(ctx context.Context, day string) (*sealed.Key, error) {
	var box []byte
	err := s.db.QueryRowContext(ctx, `SELECT key FROM day WHERE day=?`, day).Scan(&box)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("day %s: %w", day, store.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	raw, err := s.keys.Open(box, []byte(day))
	if err != nil {
		return nil, fmt.Errorf("the key of day %s: %w", day, err)
	}
	return sealed.ParseKey(raw)
}

// makeDayKey draws the key of a new day.
func (s *site) makeDayKey(ctx context.Context, day string) (*sealed.Key, error) {
	key := sealed.NewKey()
	return key, write(ctx, s.db, func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO day VALUES (?, ?)`, day, s.keys.Seal(key.Bytes(), []byte(day)))
		return err
	})
}

// destroyDay removes a day's key and everything that points to the day, also
// from the database's free pages and write-ahead log.
func (s *site) destroyDay(ctx context.Context, day string) error {
	err := write(ctx, s.db, func(tx *sql.Tx) error {
		for _, table := range []string{"day", "place", "arrival"} {
			if _, err := tx.Exec(`DELETE FROM `+table+` WHERE day=?`, day); err != nil {
				return err
			}
		}
		return nil
	})
	s.mu.Lock()
	clear(s.places)
	clear(s.arrivals)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return truncateWAL(s.db)
}

// days lists the days that have a key, newest first.
func (s *site) days(ctx context.Context) ([]string, error) {
	return list(ctx, s.db, scanText, `SELECT day FROM day ORDER BY day DESC`)
}

// daysOf lists the days in which an item with this key may lie.
func (s *site) daysOf(ctx context.Context, key nrd.Key) ([]string, error) {
	b := blockOf(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if days, ok := s.places[b]; ok {
		return days, nil
	}
	days, err := list(ctx, s.db, scanText, `SELECT day FROM place WHERE device=? AND epoch=? AND block=? ORDER BY day DESC`,
		b.device, int64(b.epoch), int64(b.number))
	if err != nil {
		return nil, err
	}
	if len(s.places) >= maxBlocks {
		clear(s.places)
	}
	s.places[b] = days
	return days, nil
}

// daysHeard lists the days whose records were received in the hour before the
// given one that is nearest to it, and that hour; none when there is none.
func (s *site) daysHeard(ctx context.Context, before int64) (int64, []string, error) {
	var hour sql.NullInt64
	if err := s.db.QueryRowContext(ctx, `SELECT max(hour) FROM arrival WHERE hour<?`, before).Scan(&hour); err != nil || !hour.Valid {
		return 0, nil, err
	}
	days, err := list(ctx, s.db, scanText, `SELECT day FROM arrival WHERE hour=?`, hour.Int64)
	return hour.Int64, days, err
}

func hourOf(t time.Time) int64 { return t.Unix() / 3600 }

// knowsPlace and knowsArrival report what needs no noting any more.
func (s *site) knowsPlace(p place) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.places[p.block], p.day)
}

func (s *site) knowsArrival(a arrival) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.arrivals[a]
}

// note puts places and arrivals on stable storage.
func (s *site) note(ctx context.Context, places map[place]bool, arrivals map[arrival]bool) error {
	if len(places)+len(arrivals) == 0 {
		return nil
	}
	err := write(ctx, s.db, func(tx *sql.Tx) error {
		for p := range places {
			if _, err := tx.Exec(`INSERT OR IGNORE INTO place VALUES (?, ?, ?, ?)`, p.device, int64(p.epoch), int64(p.number), p.day); err != nil {
				return err
			}
		}
		for a := range arrivals {
			if _, err := tx.Exec(`INSERT OR IGNORE INTO arrival VALUES (?, ?)`, a.hour, a.day); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range places {
		delete(s.places, p.block) // looked up anew
	}
	if len(s.arrivals) > 1000 {
		clear(s.arrivals)
	}
	for a := range arrivals {
		s.arrivals[a] = true
	}
	return nil
}
