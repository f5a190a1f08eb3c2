package lists

import (
	"context"
	"errors"
	"time"

	"nrd"
	"nrd/collector/store"
	"nrd/hotlist/match"
)

const (
	// matchQueue is how many records wait to be matched before the store is asked
	// for them instead.
	matchQueue = 4096
	// matchAtOnce is how many are matched before their alarms are stored together.
	matchAtOnce = 500
	// margin is how long after its receipt a record may come to be stored.
	margin = 5 * time.Minute
	// doubted is how far back records are matched once more where nobody knows how far
	// the matching is. It is noted every minute, so that a day is plenty, and a hit that
	// is found again is no other one.
	doubted = 24 * time.Hour
	// noteEvery is how often it is noted how far the matching is.
	noteEvery = time.Minute
)

// matching is what waits to be matched. The queue is only the quick way: what does
// not fit in it, or was in it when central ended, is found in the store by its
// receipt.
type matching struct {
	queue chan store.StoredRecord
	// behind asks for the records that did not fit.
	behind chan struct{}
}

// Stored gives a record that was just stored to the matching. It does not wait.
func (l *Lists) Stored(r store.StoredRecord) {
	if r.Unread() {
		return
	}
	r.Patch, r.Overview = nrd.Image{}, nrd.Image{}
	select {
	case l.matching.queue <- r:
	default:
		wake(l.matching.behind)
	}
}

// match matches records as they come, until ctx ends. It begins with those that were
// stored and not matched before central ended.
func (l *Lists) match(ctx context.Context) error {
	tick := time.NewTicker(noteEvery)
	defer tick.Stop()
	wake(l.matching.behind)
	for ctx.Err() == nil {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-l.matching.behind:
			err = l.catchUp(ctx)
		case r := <-l.matching.queue:
			err = l.matchAll(ctx, l.waiting(r), store.FoundByCentral)
		case <-tick.C:
			err = l.note(ctx, l.Clock.Now())
		}
		if err == nil || ctx.Err() != nil {
			continue
		}
		l.Log.Error("records could not be matched; it is tried again", "error", err)
		wake(l.matching.behind)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	return nil
}

// waiting takes what else is in the queue.
func (l *Lists) waiting(first store.StoredRecord) []store.StoredRecord {
	records := []store.StoredRecord{first}
	for len(records) < matchAtOnce {
		select {
		case r := <-l.matching.queue:
			records = append(records, r)
		default:
			return records
		}
	}
	return records
}

// note keeps how far the matching is, where nothing waits.
func (l *Lists) note(ctx context.Context, now time.Time) error {
	if len(l.matching.queue) > 0 || len(l.matching.behind) > 0 {
		return nil
	}
	return l.Store.SetMatched(ctx, now.Add(-margin))
}

// catchUp matches what the store holds and was not matched yet.
func (l *Lists) catchUp(ctx context.Context) error {
	now := l.Clock.Now()
	since, err := l.Store.Matched(ctx)
	if err != nil {
		return err
	}
	if since.IsZero() { // nothing was ever matched here: it begins now
		return l.Store.SetMatched(ctx, now.Add(-margin))
	}
	if since.After(now) { // it was noted while the clock was wrong
		since = now.Add(-doubted)
	}
	var some []store.StoredRecord
	flush := func() error {
		err := l.matchAll(ctx, some, store.FoundByCentral)
		some = some[:0]
		return err
	}
	err = l.Store.Received(ctx, since, func(r store.StoredRecord) error {
		if r.Unread() {
			return nil
		}
		if some = append(some, r); len(some) < matchAtOnce {
			return nil
		}
		return flush()
	})
	if err = errors.Join(err, flush()); err != nil {
		return err
	}
	return l.Store.SetMatched(ctx, now.Add(-margin))
}

// matchAll raises the hit alarms of records: those that the unit saw, and those that
// central sees.
func (l *Lists) matchAll(ctx context.Context, records []store.StoredRecord, by store.Finder) error {
	var alarms []store.HitAlarm
	byKey := map[nrd.Key]*store.StoredRecord{}
	now := l.Clock.Stamp()
	for i := range records {
		r := &records[i]
		found := l.hits(r, now, nil, by)
		if len(found) > 0 {
			byKey[r.Key] = r
			alarms = append(alarms, found...)
		}
	}
	raised, err := l.Store.RaiseHits(ctx, alarms)
	if err != nil {
		return err
	}
	l.tell(raised, byKey)
	return nil
}

// tell shows the records for which central has found something.
func (l *Lists) tell(raised []store.HitAlarm, records map[nrd.Key]*store.StoredRecord) {
	var order []nrd.Key
	for _, a := range raised {
		if a.By == store.FoundByUnit {
			continue
		}
		r := records[a.Record]
		if len(order) == 0 || order[len(order)-1] != a.Record {
			order = append(order, a.Record)
		}
		r.Found = append(r.Found, store.FoundHit{Hit: a.Hit, Covert: a.Covert})
		l.Log.Debug("a hit that the unit did not see", "record", a.Record.String(), "list", a.Hit.Entry.List)
	}
	for _, key := range order {
		if l.OnHit != nil {
			l.OnHit(*records[key])
		}
	}
}

// wanted narrows a match to one list and to entries with some marks.
type wanted struct {
	list  string
	marks map[nrd.VRM]bool
}

// hits gives the hit alarms of a record: first the unit's own, so that they are what
// stands where both saw the same.
func (l *Lists) hits(r *store.StoredRecord, now nrd.Stamp, only *wanted, by store.Finder) []store.HitAlarm {
	alarms := l.alarms(r, r.Hits, store.FoundByUnit)
	for _, f := range l.matched(r.Read.VRM, now, only) {
		a := alarmOf(r, f.Hit, by, now.True())
		a.Covert = f.covert
		alarms = append(alarms, a)
	}
	return alarms
}

// found is a hit, and whether its entry is covert.
type found struct {
	nrd.Hit
	covert bool
}

// matched gives what a mark hits in the lists in force.
func (l *Lists) matched(v nrd.VRM, now nrd.Stamp, only *wanted) []found {
	l.mu.RLock()
	var all []found
	broken := map[*inForce]error{}
	for name, f := range l.inForce {
		if only != nil && only.list != name {
			continue
		}
		hits, err := l.matchedIn(f, v, now, only)
		if err != nil {
			broken[f] = err
		}
		all = append(all, hits...)
	}
	l.mu.RUnlock()
	for f, err := range broken {
		l.damaged(f, err)
	}
	return all
}

func (l *Lists) matchedIn(f *inForce, v nrd.VRM, now nrd.Stamp, only *wanted) ([]found, error) {
	marks := []nrd.VRM{v}
	if near(&f.List) {
		marks = append(marks, l.alike.Near(v)...)
	}
	var all []found
	for _, mark := range marks {
		if only != nil && !only.marks[mark] {
			continue
		}
		items, err := f.file.lookup(mark, f.Name)
		if err != nil {
			return all, err
		}
		for _, it := range items {
			for _, h := range match.Hits([]nrd.Entry{it.Entry}, v, match.Moment{List: f.InForce, Now: now, Profile: l.Profile}) {
				all = append(all, found{h, it.covert})
			}
		}
	}
	return all, nil
}
