package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"nrd"
	"nrd/collector/store"
	"nrd/uplink/wire"
)

// insertOfficer keeps an officer's action as an event and enters it where it is
// found. It may be about a record of another day: that the record's key leads to
// this day too is noted before.
func (b *batch) insertOfficer(item *store.Item) error {
	name := dayOf(item.Filed)
	about := item.Officer.Record
	d, err := b.write(name, item.Key)
	if err == nil && about != (nrd.Key{}) {
		_, err = b.write(name, about)
	}
	if err != nil {
		return err
	}
	source, err := d.insertEvent(item)
	if err != nil {
		return err
	}
	var recordSource, recordSequence any
	if about != (nrd.Key{}) {
		if recordSource, err = d.sourceOf(about); err != nil {
			return err
		}
		recordSequence = int64(about.Sequence)
	}
	e := item.Officer
	return d.exec(d.stmts.insertOfficer, source, int64(item.Key.Sequence), item.Filed.UnixNano(), string(e.Action), e.Officer.Collar, string(e.VRM),
		recordSource, recordSequence)
}

// insertEvent keeps an event and gives the number of its source.
func (d *batchDay) insertEvent(item *store.Item) (source int64, err error) {
	if source, err = d.sourceOf(item.Key); err != nil {
		return 0, err
	}
	return source, d.exec(d.stmts.insertEvent, source, int64(item.Key.Sequence), item.Received.UnixNano(), item.Digest[:], item.Event)
}

const officerFrom = `SELECT o.filed, e.received, e.data FROM officer o JOIN event e ON e.source=o.source AND e.sequence=o.sequence WHERE `

func scanOfficer(scan scanner) (e store.OfficerEvent, err error) {
	var filed, received int64
	var data []byte
	if err := scan(&filed, &received, &data); err != nil {
		return e, err
	}
	var m wire.Event
	if err := proto.Unmarshal(data, &m); err != nil {
		return e, fmt.Errorf("a stored event: %w", err)
	}
	if e.OfficerEvent, _, err = wire.ToOfficerEvent(&m); err != nil {
		return e, fmt.Errorf("a stored event: %w", err)
	}
	key := m.GetKey()
	e.Key = nrd.Key{Device: key.GetDevice(), Epoch: key.GetEpoch(), Sequence: key.GetSequence()}
	e.Filed, e.Received = time.Unix(0, filed).UTC(), time.Unix(0, received).UTC()
	return e, nil
}

// OfficersOf is documented at [store.Store].
func (s *Store) OfficersOf(ctx context.Context, record nrd.Key) ([]store.OfficerEvent, error) {
	var all []store.OfficerEvent
	err := s.find(ctx, record, func(d *day, source int64) error {
		more, err := list(ctx, d.db, scanOfficer, officerFrom+`o.record_source=? AND o.record_sequence=?`, source, int64(record.Sequence))
		all = append(all, more...)
		if err != nil {
			return err
		}
		return store.ErrNotFound // go on: another day may have more
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	slices.SortFunc(all, func(a, b store.OfficerEvent) int {
		return cmp.Or(a.Filed.Compare(b.Filed), cmp.Compare(a.Key.Sequence, b.Key.Sequence))
	})
	return all, nil
}

// Officers is documented at [store.Store].
func (s *Store) Officers(ctx context.Context, q store.OfficerQuery) ([]store.OfficerEvent, error) {
	switch {
	case q.Limit < 0 || q.Limit > store.MaxLimit:
		return nil, fmt.Errorf("%w: the limit is %d; 1 to %d are possible", store.ErrQuery, q.Limit, store.MaxLimit)
	case q.Limit == 0:
		q.Limit = store.DefaultLimit
	}
	where := []string{"o.filed>=? AND o.filed<?"}
	from, to := bounds(q.From, q.To)
	args := []any{from, to}
	for _, term := range []struct{ condition, value string }{
		{"o.source IN (SELECT id FROM source WHERE device=?)", q.Device}, {"o.collar=?", q.Collar}, {"o.vrm=?", string(q.VRM)}, {"o.action=?", string(q.Action)},
	} {
		if term.value != "" {
			where = append(where, term.condition)
			args = append(args, term.value)
		}
	}
	query := officerFrom + strings.Join(where, " AND ") + ` ORDER BY o.filed DESC, o.sequence DESC LIMIT ?`
	var found []store.OfficerEvent
	err := s.eachDay(ctx, q.From, q.To, func(d *day) (bool, error) {
		more, err := list(ctx, d.db, scanOfficer, query, append(slices.Clone(args), q.Limit-len(found))...)
		found = append(found, more...)
		return len(found) < q.Limit, err
	})
	return found, err
}

// Dispositions is documented at [store.Store].
func (s *Store) Dispositions(ctx context.Context, from, to time.Time) (store.Dispositions, error) {
	counts := store.Dispositions{}
	first, end := bounds(from, to)
	err := s.eachDay(ctx, from, to, func(d *day) (bool, error) {
		events, err := list(ctx, d.db, scanOfficer, officerFrom+`o.filed>=? AND o.filed<? AND o.action=?`, first, end, string(nrd.OfficerActed))
		for _, e := range events {
			for _, name := range e.Lists {
				if counts[name] == nil {
					counts[name] = map[nrd.Disposition]uint64{}
				}
				counts[name][e.Disposition]++
			}
		}
		return true, err
	})
	return counts, err
}
