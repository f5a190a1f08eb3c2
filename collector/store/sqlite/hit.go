package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"nrd"
	"nrd/collector/store"
)

// RaiseHits is documented at [store.Store].
func (s *Store) RaiseHits(ctx context.Context, alarms []store.HitAlarm) ([]store.HitAlarm, error) {
	if len(alarms) == 0 {
		return nil, nil
	}
	s.inserting.Lock()
	defer s.inserting.Unlock()
	var raised []store.HitAlarm
	b := newBatch(ctx, s)
	var err error
	for i := range alarms {
		var isNew bool
		if isNew, err = b.raise(&alarms[i]); err != nil {
			err = fmt.Errorf("hit alarm of %s: %w", alarms[i].Record, err)
			break
		}
		if isNew {
			raised = append(raised, alarms[i])
		}
	}
	if err == nil {
		err = b.commit()
	}
	if closeErr := b.close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, explainAt(s.config.Dir, err)
	}
	return raised, nil
}

// raise puts a hit alarm beside its record.
func (b *batch) raise(a *store.HitAlarm) (isNew bool, err error) {
	places, err := b.candidates(a.Record)
	if err != nil {
		return false, err
	}
	for _, d := range places {
		source, err := d.source(b.ctx, d.tx, a.Record)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return false, err
		}
		var captured int64
		var hit bool
		err = d.tx.QueryRowContext(b.ctx, `SELECT captured, hit FROM record WHERE source=? AND sequence=?`, source, int64(a.Record.Sequence)).Scan(&captured, &hit)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return false, err
		}
		return d.raise(a, source, captured, hit)
	}
	return false, nil
}

func (d *batchDay) raise(a *store.HitAlarm, source, captured int64, hit bool) (isNew bool, err error) {
	data, err := json.Marshal(a)
	if err != nil {
		return false, err
	}
	e, sequence := &a.Hit.Entry, int64(a.Record.Sequence)
	// A live gateway need not say the entry's reference: then it is the list's, whichever
	// comes first.
	silent := a.By == store.FoundByGateway && e.Reference == ""
	result, err := d.tx.Exec(`INSERT OR IGNORE INTO hit_alarm SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
		WHERE NOT EXISTS (SELECT 1 FROM hit_alarm WHERE source=?1 AND sequence=?2 AND list=?3 AND vrm=?4 AND reference='' AND finder=?10)
		AND NOT (?9 AND EXISTS (SELECT 1 FROM hit_alarm WHERE source=?1 AND sequence=?2 AND list=?3 AND vrm=?4))`,
		source, sequence, e.List, string(e.VRM), e.Reference, captured, string(a.By), string(data), silent, string(store.FoundByGateway))
	if err := changed(result, err, &isNew); err != nil || !isNew {
		return false, err
	}
	d.changed = true
	if hit || a.Covert { // a search for hits must not tell of a covert entry
		return true, nil
	}
	d.total.hits++
	_, err = d.tx.Exec(`UPDATE record SET hit=1 WHERE source=? AND sequence=?`, source, sequence)
	return true, err
}

// HitAlarms is documented at [store.Store].
func (s *Store) HitAlarms(ctx context.Context, q store.HitQuery) ([]store.HitAlarm, error) {
	limit, err := limitOf(q.Limit)
	if err != nil {
		return nil, err
	}
	if !q.Urgent {
		return s.hitAlarms(ctx, q, limit, "")
	}
	var found []store.HitAlarm
	for p := nrd.PriorityHigh; p >= nrd.PriorityNone && len(found) < limit && err == nil; p-- {
		var more []store.HitAlarm
		more, err = s.hitAlarms(ctx, q, limit-len(found), fmt.Sprintf(" AND %s=%d", hitPriority, p))
		found = append(found, more...)
	}
	return found, err
}

// hitAlarms answers the newest first; only narrows to some.
func (s *Store) hitAlarms(ctx context.Context, q store.HitQuery, limit int, only string) ([]store.HitAlarm, error) {
	from, to := bounds(q.From, q.To)
	query, args := `SELECT data FROM hit_alarm WHERE captured>=? AND captured<?`+only, []any{from, to}
	if q.List != "" {
		query += ` AND list=?`
		args = append(args, q.List)
	}
	query += ` ORDER BY captured DESC LIMIT ?`
	var found []store.HitAlarm
	err := s.eachDay(ctx, q.From, q.To, func(d *day) (bool, error) {
		more, err := list(ctx, d.db, scanJSON[store.HitAlarm], query, append(slices.Clone(args), limit-len(found))...)
		found = append(found, more...)
		return len(found) < limit, err
	})
	return found, err
}

const hitAlarmAt = ` WHERE source=? AND sequence=? AND list=? AND vrm=? AND reference=?`

// HitAlarm is documented at [store.Store].
func (s *Store) HitAlarm(ctx context.Context, key store.HitKey) (a store.HitAlarm, err error) {
	err = s.find(ctx, key.Record, func(d *day, source int64) (err error) {
		a, err = scanJSON[store.HitAlarm](d.db.QueryRowContext(ctx, `SELECT data FROM hit_alarm`+hitAlarmAt,
			source, int64(key.Record.Sequence), key.List, string(key.VRM), key.Reference).Scan)
		return err
	})
	return a, err
}

// AcknowledgeHit is documented at [store.Store].
func (s *Store) AcknowledgeHit(ctx context.Context, key store.HitKey, by store.Acknowledgement) (store.HitAlarm, error) {
	s.inserting.Lock()
	defer s.inserting.Unlock()
	b := newBatch(ctx, s)
	a, err := b.acknowledge(key, by)
	if err == nil {
		err = b.commit()
	}
	if closeErr := b.close(); err == nil {
		err = closeErr
	}
	return a, explainAt(s.config.Dir, err)
}

// acknowledge notes who has seen an alarm, unless somebody has.
func (b *batch) acknowledge(key store.HitKey, by store.Acknowledgement) (a store.HitAlarm, err error) {
	places, err := b.candidates(key.Record)
	if err != nil {
		return a, err
	}
	for _, d := range places {
		source, err := d.source(b.ctx, d.tx, key.Record)
		if err == nil {
			a, err = d.acknowledge(source, key, by)
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return a, err
		}
	}
	return a, fmt.Errorf("hit alarm of %s: %w", key.Record, store.ErrNotFound)
}

func (d *batchDay) acknowledge(source int64, key store.HitKey, by store.Acknowledgement) (store.HitAlarm, error) {
	place := []any{source, int64(key.Record.Sequence), key.List, string(key.VRM), key.Reference}
	a, err := scanJSON[store.HitAlarm](d.tx.QueryRowContext(d.ctx, `SELECT data FROM hit_alarm`+hitAlarmAt, place...).Scan)
	if err != nil || a.Acknowledged.By != "" {
		return a, err
	}
	a.Acknowledged = by
	data, err := json.Marshal(a)
	if err != nil {
		return a, err
	}
	d.changed = true
	_, err = d.tx.ExecContext(d.ctx, `UPDATE hit_alarm SET data=?`+hitAlarmAt, append([]any{string(data)}, place...)...)
	return a, err
}

// HitCounts is documented at [store.Store].
func (s *Store) HitCounts(ctx context.Context, from, to time.Time) (map[string]uint64, error) {
	counts := map[string]uint64{}
	first, end := bounds(from, to)
	err := s.eachDay(ctx, from, to, func(d *day) (bool, error) {
		type row struct {
			list string
			n    int64
		}
		rows, err := list(ctx, d.db, func(scan scanner) (r row, err error) { return r, scan(&r.list, &r.n) },
			`SELECT list, count(*) FROM hit_alarm WHERE captured>=? AND captured<? GROUP BY list`, first, end)
		for _, r := range rows {
			counts[r.list] += uint64(r.n)
		}
		return true, err
	})
	return counts, err
}

// receivedAtOnce is how many records Received reads in one go.
const receivedAtOnce = 500

// Received is documented at [store.Store].
func (s *Store) Received(ctx context.Context, since time.Time, each func(store.StoredRecord) error) error {
	days, err := list(ctx, s.site.db, scanText, `SELECT DISTINCT day FROM arrival WHERE hour>=? ORDER BY day`, hourOf(since))
	if err != nil {
		return err
	}
	for _, name := range days {
		next, err := s.firstReceived(ctx, name, since)
		for err == nil && next > 0 {
			next, err = s.receivedFrom(ctx, name, next, since, each)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) { // weeded meanwhile
			return fmt.Errorf("day %s: %w", name, err)
		}
	}
	return nil
}

// firstReceived finds where the records of a day that were received since a time
// begin: rows are in the order of arrival, so it halves. 0 is none.
func (s *Store) firstReceived(ctx context.Context, name string, since time.Time) (first int64, err error) {
	err = s.days.with(ctx, name, func(d *day) error {
		var last sql.NullInt64
		if err := d.db.QueryRowContext(ctx, `SELECT max(id) FROM record`).Scan(&last); err != nil {
			return err
		}
		low, high := int64(1), last.Int64+1
		for low < high {
			middle := low + (high-low)/2
			var received int64
			if err := d.db.QueryRowContext(ctx, `SELECT received FROM record WHERE id>=? ORDER BY id LIMIT 1`, middle).Scan(&received); err != nil {
				return err
			}
			if received < since.UnixNano() {
				low = middle + 1
			} else {
				high = middle
			}
		}
		if low <= last.Int64 {
			first = low
		}
		return nil
	})
	return first, err
}

// receivedFrom gives some records of a day from a row on, and the row to go on
// with, 0 for none.
func (s *Store) receivedFrom(ctx context.Context, name string, from int64, since time.Time, each func(store.StoredRecord) error) (next int64, err error) {
	type row struct {
		id     int64
		record store.StoredRecord
	}
	var rows []row
	err = s.days.with(ctx, name, func(d *day) (err error) {
		rows, err = list(ctx, d.db, func(scan scanner) (r row, err error) {
			r.record, err = scanRecord(func(columns ...any) error { return scan(append([]any{&r.id}, columns...)...) })
			return r, err
		}, `SELECT r.id, `+recordColumns+` FROM record r WHERE r.id>=? ORDER BY r.id LIMIT ?`, from, receivedAtOnce)
		return err
	})
	if err != nil {
		return 0, err
	}
	for i := range rows {
		if rows[i].record.Received.Before(since) {
			continue
		}
		if err := each(rows[i].record); err != nil {
			return 0, err
		}
	}
	if len(rows) < receivedAtOnce {
		return 0, nil
	}
	return rows[len(rows)-1].id + 1, nil
}

// SetMatched is documented at [store.Store].
func (s *Store) SetMatched(ctx context.Context, until time.Time) error {
	return write(ctx, s.site.db, func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE matched SET until=?`, until.UnixNano())
		return err
	})
}

// Matched is documented at [store.Store].
func (s *Store) Matched(ctx context.Context) (until time.Time, err error) {
	var nanoseconds int64
	err = s.site.db.QueryRowContext(ctx, `SELECT until FROM matched`).Scan(&nanoseconds)
	if nanoseconds != 0 {
		until = time.Unix(0, nanoseconds).UTC()
	}
	return until, err
}
