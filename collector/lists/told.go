package lists

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nrd"
	"nrd/collector/store"
)

const (
	// tellEvery is how often it is looked for hits that units told, beside at once: a
	// record may come after the event that is about it.
	tellEvery = time.Minute
	// toldFor is how far back they are looked for. A gateway is asked over a link, so
	// that what it said comes soon.
	toldFor = 7 * 24 * time.Hour
)

// Told is called by ingest with what was done or told at a unit's screen, once it is
// stored. It does not wait.
func (l *Lists) Told(e nrd.OfficerEvent) {
	if e.Action == nrd.OfficersAlerted {
		wake(l.telling)
	}
}

// raiseTold raises the alarms of hits that a live gateway knew and no list on the unit
// did: they are in no record, but in an event that the unit sent. The store holds what
// is to be done, so that an end of central loses none; a hit is raised once all the
// same.
func (l *Lists) raiseTold(ctx context.Context) error {
	done := map[nrd.Key]bool{}
	q := store.OfficerQuery{Action: nrd.OfficersAlerted, From: l.Clock.Now().Add(-toldFor), Limit: store.MaxLimit}
	for {
		events, err := l.Store.Officers(ctx, q)
		if err != nil {
			return err
		}
		for i := range events {
			e := &events[i]
			if done[e.Key] = l.toldDone[e.Key]; done[e.Key] {
				continue
			}
			if done[e.Key], err = l.raiseHitsOf(ctx, e); err != nil {
				return fmt.Errorf("what %s told of %s: %w", e.Key.Device, e.Record, err)
			}
		}
		if len(events) < store.MaxLimit {
			l.toldDone = done
			return nil
		}
		q.To = events[len(events)-1].Filed
	}
}

// raiseHitsOf raises the alarms of the hits that a unit told; done is false while their
// record has not come.
func (l *Lists) raiseHitsOf(ctx context.Context, e *store.OfficerEvent) (done bool, err error) {
	record, err := l.Store.Record(ctx, e.Record)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	raised, err := l.Store.RaiseHits(ctx, l.alarms(record, e.Told, store.FoundByGateway))
	if err != nil {
		return false, err
	}
	l.tell(raised, map[nrd.Key]*store.StoredRecord{record.Key: record})
	return true, nil
}

// alarms are those of hits of a record.
func (l *Lists) alarms(r *store.StoredRecord, hits []nrd.Hit, by store.Finder) []store.HitAlarm {
	var all []store.HitAlarm
	for _, h := range hits {
		all = append(all, alarmOf(r, h, by, l.Clock.Now()))
	}
	return all
}

// alarmOf is the alarm of one hit of a record.
func alarmOf(r *store.StoredRecord, h nrd.Hit, by store.Finder, now time.Time) store.HitAlarm {
	if h.Entry.List == "" {
		h.Entry.List = h.List.List
	}
	return store.HitAlarm{Record: r.Key, VRM: r.Read.VRM, Captured: r.Time(), Camera: r.Camera.Name, Raised: now, By: by, Hit: h}
}
