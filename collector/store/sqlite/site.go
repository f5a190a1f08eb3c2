package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"nrd"
	"nrd/collector/store"
	"nrd/internal/sealed"
)

// What the keys derived from the master key, and from a day's key, are for.
const (
	sitePurpose    = "central's site database"
	dayKeysPurpose = "the keys of central's days"
	dayPurpose     = "records"
	imagesPurpose  = "images"
)

// A span says that items of a device's epoch with sequences from first to last
// may lie in a day, arrival that records of a day may have been received in an
// hour (hours since 1970). Both are written before the day is: they may say too
// much, never too little. So a key is found without an index of all keys, which
// weeding would have to clear. An anchor is a correction of a unit's clock;
// traffic is what a device saw in an hour (hours since 1970). The third format has
// the lists; records received before matched were matched against them.
var siteSchema = []string{`
	CREATE TABLE day(day TEXT PRIMARY KEY, key BLOB NOT NULL) STRICT, WITHOUT ROWID;
	CREATE TABLE span(device TEXT, epoch INTEGER, day TEXT, first INTEGER NOT NULL, last INTEGER NOT NULL,
		PRIMARY KEY(device, epoch, day)) STRICT, WITHOUT ROWID;
	CREATE TABLE arrival(hour INTEGER, day TEXT, PRIMARY KEY(hour, day)) STRICT, WITHOUT ROWID;
	CREATE TABLE account(name TEXT PRIMARY KEY, data TEXT NOT NULL) STRICT, WITHOUT ROWID;
	CREATE TABLE device(name TEXT PRIMARY KEY, data TEXT NOT NULL) STRICT, WITHOUT ROWID;
	CREATE TABLE access(sequence INTEGER PRIMARY KEY, at INTEGER NOT NULL, account TEXT NOT NULL,
		action TEXT NOT NULL, subject TEXT NOT NULL, reason TEXT NOT NULL, origin TEXT NOT NULL,
		outcome TEXT NOT NULL, chain BLOB NOT NULL) STRICT;
	CREATE TABLE access_head(sequence INTEGER NOT NULL, chain BLOB NOT NULL) STRICT;
	INSERT INTO access_head VALUES (0, zeroblob(32))`, `
	CREATE TABLE anchor(device TEXT, boot TEXT, monotonic INTEGER, source TEXT, data TEXT NOT NULL,
		PRIMARY KEY(device, boot, monotonic, source)) STRICT, WITHOUT ROWID;
	CREATE TABLE alarm(id INTEGER PRIMARY KEY, device TEXT NOT NULL, kind TEXT NOT NULL,
		raised INTEGER NOT NULL, cleared INTEGER, text TEXT NOT NULL) STRICT;
	CREATE UNIQUE INDEX alarm_standing ON alarm(device, kind) WHERE cleared IS NULL;
	CREATE TABLE traffic(device TEXT, hour INTEGER, frames INTEGER NOT NULL, reads INTEGER NOT NULL, covered INTEGER NOT NULL, blind INTEGER NOT NULL,
		PRIMARY KEY(device, hour)) STRICT, WITHOUT ROWID`, `
	CREATE TABLE list(name TEXT PRIMARY KEY, data TEXT NOT NULL) STRICT, WITHOUT ROWID;
	CREATE TABLE list_entry(id INTEGER PRIMARY KEY AUTOINCREMENT, list TEXT NOT NULL, vrm TEXT NOT NULL, reference TEXT NOT NULL, data TEXT NOT NULL,
		UNIQUE(list, vrm, reference)) STRICT;
	CREATE TABLE list_import(id INTEGER PRIMARY KEY AUTOINCREMENT, list TEXT NOT NULL, state TEXT NOT NULL, data TEXT NOT NULL) STRICT;
	CREATE INDEX list_import_list ON list_import(list);
	CREATE INDEX list_import_held ON list_import(id) WHERE state='held';
	CREATE TABLE list_retrospect(id INTEGER PRIMARY KEY AUTOINCREMENT, data TEXT NOT NULL) STRICT;
	CREATE TABLE matched(until INTEGER NOT NULL) STRICT;
	INSERT INTO matched VALUES (0)`}

// maxSpans bounds the memory of spans, in device epochs.
const maxSpans = 20_000

// source is a device's epoch.
type source struct {
	device string
	epoch  uint64
}

func sourceOf(k nrd.Key) source { return source{k.Device, k.Epoch} }

// span is a range of sequences, both ends included; last is 0 for an empty one.
type span struct{ first, last uint64 }

func (s span) holds(sequence uint64) bool {
	return s.last != 0 && s.first <= sequence && sequence <= s.last
}

// with gives the span grown to hold sequence. Upwards it grows by its own width
// more than it must: a day's span is written a few times, not with each record,
// and reaches little into the sequences of the days after it.
func (s span) with(sequence uint64) span {
	const least = 8
	switch {
	case s.last == 0:
		s.first, s.last = sequence, sequence
	case sequence < s.first:
		s.first = sequence
	}
	if sequence >= s.last {
		more := max(least, s.last-s.first)
		s.last = sequence + min(more, math.MaxUint64-sequence)
	}
	return s
}

// place is a source's part of a day.
type place struct {
	source
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
	spans    map[source]map[string]span // what was looked up of table span, by day
	arrivals map[arrival]bool           // what is known to be in table arrival
}

func openSite(path string, master *sealed.Key) (*site, error) {
	db, err := openDatabase(path, master.Derive(sitePurpose), siteSchema)
	if err != nil {
		return nil, err
	}
	return &site{
		db: db, keys: master.Derive(dayKeysPurpose),
		spans: map[source]map[string]span{}, arrivals: map[arrival]bool{},
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
		for _, table := range []string{"day", "span", "arrival"} {
			if _, err := tx.Exec(`DELETE FROM `+table+` WHERE day=?`, day); err != nil {
				return err
			}
		}
		return nil
	})
	s.mu.Lock()
	clear(s.spans)
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
	s.mu.Lock()
	defer s.mu.Unlock()
	spans, err := s.load(ctx, sourceOf(key))
	if err != nil {
		return nil, err
	}
	var days []string
	for day, span := range spans {
		if span.holds(key.Sequence) {
			days = append(days, day)
		}
	}
	return days, nil
}

// span gives a source's span in a day.
func (s *site) span(ctx context.Context, p place) (span, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	spans, err := s.load(ctx, p.source)
	return spans[p.day], err
}

// load gives a source's spans by day; mu is held.
func (s *site) load(ctx context.Context, of source) (map[string]span, error) {
	if spans, ok := s.spans[of]; ok {
		return spans, nil
	}
	type row struct {
		day         string
		first, last int64
	}
	rows, err := list(ctx, s.db, func(scan scanner) (r row, err error) { return r, scan(&r.day, &r.first, &r.last) },
		`SELECT day, first, last FROM span WHERE device=? AND epoch=?`, of.device, int64(of.epoch))
	if err != nil {
		return nil, err
	}
	if len(s.spans) >= maxSpans {
		clear(s.spans)
	}
	spans := map[string]span{}
	for _, r := range rows {
		spans[r.day] = span{uint64(r.first), uint64(r.last)}
	}
	s.spans[of] = spans
	return spans, nil
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

// knowsArrival reports what needs no noting any more.
func (s *site) knowsArrival(a arrival) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.arrivals[a]
}

// note puts spans and arrivals on stable storage.
func (s *site) note(ctx context.Context, spans map[place]span, arrivals map[arrival]bool) error {
	if len(spans)+len(arrivals) == 0 {
		return nil
	}
	err := write(ctx, s.db, func(tx *sql.Tx) error {
		for p, span := range spans {
			if _, err := tx.Exec(`INSERT OR REPLACE INTO span VALUES (?, ?, ?, ?, ?)`, p.device, int64(p.epoch), p.day,
				int64(span.first), int64(span.last)); err != nil {
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
	for p, span := range spans {
		if known := s.spans[p.source]; known != nil {
			known[p.day] = span
		}
	}
	if len(s.arrivals) > 1000 {
		clear(s.arrivals)
	}
	for a := range arrivals {
		s.arrivals[a] = true
	}
	return nil
}
