package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"nrd"
	"nrd/collector/store"
)

const recordColumns = `r.received, r.data,
	EXISTS(SELECT 1 FROM image i WHERE i.source=r.source AND i.sequence=r.sequence AND i.kind='patch'),
	EXISTS(SELECT 1 FROM image i WHERE i.source=r.source AND i.sequence=r.sequence AND i.kind='overview'),
	(SELECT c.data FROM correction c WHERE c.source=r.source AND c.sequence=r.sequence),
	(SELECT json_group_array(json_object('Hit', json_extract(h.data, '$.Hit'), 'Covert', json(iif(json_extract(h.data, '$.Covert'), 'true', 'false')))) FROM hit_alarm h WHERE h.source=r.source AND h.sequence=r.sequence AND h.finder<>'unit')`

func scanRecord(scan scanner) (r store.StoredRecord, err error) {
	var received int64
	var data, correction []byte
	var found string
	if err := scan(&received, &data, &r.HasPatch, &r.HasOverview, &correction, &found); err != nil {
		return r, err
	}
	if found != "[]" {
		if err := json.Unmarshal([]byte(found), &r.Found); err != nil {
			return r, fmt.Errorf("a record's hits: %w", err)
		}
	}
	if correction != nil {
		if err := json.Unmarshal(correction, &r.Correction); err != nil {
			return r, fmt.Errorf("a record's correction: %w", err)
		}
	}
	record, err := decode(data)
	if err != nil {
		return r, err
	}
	r.Record, r.Received = *record, time.Unix(0, received).UTC()
	return r, nil
}

// Search is documented at [store.Store].
func (s *Store) Search(ctx context.Context, q store.Query) ([]store.StoredRecord, error) {
	q, err := q.Normalise()
	if err != nil {
		return nil, err
	}
	var found []store.StoredRecord
	err = s.eachDay(ctx, q.From, q.To, func(d *day) (bool, error) {
		query, args := searchDay(q, q.Limit-len(found))
		more, err := list(ctx, d.db, scanRecord, query, args...)
		found = append(found, more...)
		return len(found) < q.Limit, err
	})
	return found, err
}

// eachDay calls f with each day that is held between two moments, newest first,
// until it wants no more.
func (s *Store) eachDay(ctx context.Context, from, to time.Time, f func(*day) (more bool, err error)) error {
	days, err := s.site.days(ctx)
	if err != nil {
		return err
	}
	for _, name := range days {
		if !from.IsZero() && name < dayOf(from) || !to.IsZero() && name > dayOf(to) {
			continue
		}
		more := true
		err := s.days.with(ctx, name, func(d *day) (err error) {
			more, err = f(d)
			return err
		})
		if err != nil && !errors.Is(err, store.ErrNotFound) { // weeded meanwhile
			return fmt.Errorf("day %s: %w", name, err)
		}
		if !more {
			return nil
		}
	}
	return nil
}

// bounds gives a span of time as the databases have it.
func bounds(from, to time.Time) (first, end int64) {
	first, end = math.MinInt64, math.MaxInt64
	if !from.IsZero() {
		first = from.UnixNano()
	}
	if !to.IsZero() {
		end = to.UnixNano()
	}
	return first, end
}

// searchDay makes the query of one day. The index is named, because without
// statistics SQLite would rather walk a whole day backwards than sort a few
// rows.
func searchDay(q store.Query, limit int) (string, []any) {
	var where []string
	var args []any
	and := func(condition string, values ...any) {
		where = append(where, condition)
		args = append(args, values...)
	}
	index := "record_captured"
	prefix, wild := q.Pattern, ""
	if i := strings.IndexAny(q.Pattern, "?*"); i >= 0 {
		prefix, wild = q.Pattern[:i], q.Pattern[i:]
	}
	switch {
	case prefix != "" && wild == "":
		index = "record_vrm"
		and("vrm=?", prefix)
	case prefix != "":
		index = "record_vrm"
		and("vrm>=? AND vrm<? AND vrm GLOB ?", prefix, prefix+"~", q.Pattern)
	case wild != "":
		and("vrm<>'' AND vrm GLOB ?", q.Pattern) // a plate that could not be read has no mark
	}
	if q.HitsOnly {
		and("hit=1")
		if prefix == "" {
			index = "record_hit"
		}
	}
	from, to := bounds(q.From, q.To)
	and("captured>=? AND captured<?", from, to)
	if q.Device != "" {
		and("source IN (SELECT id FROM source WHERE device=?)", q.Device)
	}
	if q.Camera != "" {
		and("camera=?", q.Camera)
	}
	args = append(args, limit)
	return fmt.Sprintf(`SELECT %s FROM record r INDEXED BY %s WHERE %s ORDER BY captured DESC, id DESC LIMIT ?`,
		recordColumns, index, strings.Join(where, " AND ")), args
}

// find calls f with each day in which key may lie and the number of its source
// there, until f says that it found what it looks for.
func (s *Store) find(ctx context.Context, key nrd.Key, f func(d *day, source int64) error) error {
	days, err := s.site.daysOf(ctx, key)
	if err != nil {
		return err
	}
	for _, name := range days {
		err := s.days.with(ctx, name, func(d *day) error {
			source, err := d.source(ctx, d.db, key)
			if err != nil {
				return err
			}
			return f(d, source)
		})
		if !errors.Is(err, sql.ErrNoRows) && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return fmt.Errorf("%s: %w", key, store.ErrNotFound)
}

// Record is documented at [store.Store].
func (s *Store) Record(ctx context.Context, key nrd.Key) (*store.StoredRecord, error) {
	var r store.StoredRecord
	err := s.find(ctx, key, func(d *day, source int64) (err error) {
		r, err = scanRecord(d.db.QueryRowContext(ctx, `SELECT `+recordColumns+` FROM record r WHERE source=? AND sequence=?`,
			source, int64(key.Sequence)).Scan)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &r, nil
}

// Image is documented at [store.Store].
func (s *Store) Image(ctx context.Context, key nrd.Key, kind nrd.ImageKind) (nrd.Image, error) {
	var image nrd.Image
	err := s.find(ctx, key, func(d *day, source int64) error {
		var offset, length int64
		err := d.db.QueryRowContext(ctx, `SELECT width, height, offset, length FROM image WHERE source=? AND sequence=? AND kind=?`,
			source, int64(key.Sequence), string(kind)).Scan(&image.Width, &image.Height, &offset, &length)
		if err != nil {
			return err
		}
		image.JPEG, err = d.image(key, store.Kind(kind), offset, length)
		return err
	})
	return image, err
}

// Latest is documented at [store.Store]. It goes back through the hours in which
// something was received; within a day the order of rows is that of arrival.
func (s *Store) Latest(ctx context.Context, n int) ([]store.StoredRecord, error) {
	if n <= 0 {
		return nil, nil
	}
	n = min(n, store.MaxLimit)
	var latest []store.StoredRecord
	read := map[string]bool{}
	hour := int64(math.MaxInt64)
	for {
		earlier, days, err := s.site.daysHeard(ctx, hour)
		if err != nil || days == nil {
			return latest, err
		}
		hour = earlier
		for _, name := range days {
			if read[name] {
				continue
			}
			read[name] = true
			err := s.days.with(ctx, name, func(d *day) error {
				more, err := list(ctx, d.db, scanRecord, `SELECT `+recordColumns+` FROM record r ORDER BY id DESC LIMIT ?`, n)
				latest = append(latest, more...)
				return err
			})
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return nil, fmt.Errorf("day %s: %w", name, err)
			}
		}
		slices.SortStableFunc(latest, func(a, b store.StoredRecord) int { return b.Received.Compare(a.Received) })
		latest = latest[:min(len(latest), n)]
		if len(latest) == n && hourOf(latest[n-1].Received) >= hour {
			return latest, nil
		}
	}
}

// Totals is documented at [store.Store].
func (s *Store) Totals(ctx context.Context) (store.Totals, error) {
	var sum store.Totals
	days, err := s.site.days(ctx)
	if err != nil {
		return sum, err
	}
	for _, name := range days {
		t, err := s.days.total(ctx, name)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return sum, err
		}
		sum.Days++
		sum.Records += t.records
		sum.Hits += t.hits
		sum.Images += t.images
		sum.Quarantined += t.quarantined
	}
	return sum, nil
}
