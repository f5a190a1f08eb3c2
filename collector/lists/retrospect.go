package lists

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nrd"
	"nrd/collector/store"
)

// searchEvery is how often it is looked for searches that failed, beside at once.
const searchEvery = time.Minute

// lookingBack gives the search of stored records that a change asks for, as far as the
// force wants any. One that is not made is noted in the access log all the same.
func (l *Lists) lookingBack(r store.Retrospect) store.Retrospect {
	if l.Limits.Retrospect <= 0 {
		r.Marks, r.Unmade = nil, ""
	}
	if r.Unmade != "" {
		r.Marks = nil
		l.Log.Warn("stored records are not searched for what is new on a list", "list", r.List, "why", r.Unmade)
	}
	return r
}

// unsearched says why nobody looks for marks in stored records, "" where somebody does.
func unsearched(marks []nrd.VRM) string {
	if len(marks) > maxMarks {
		return tooMany
	}
	return ""
}

// search makes the searches of stored records that entries were added for. Each is
// bounded in time, has its line in the access log, and is made again from its
// beginning where it was interrupted: an alarm is raised once all the same. One that
// fails keeps no other up, and one of a list that is not in force as it was changed
// waits until it is.
func (l *Lists) search(ctx context.Context) error {
	due, err := l.Store.Retrospects(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range due {
		if err := l.searchOne(ctx, r); err != nil {
			errs = append(errs, fmt.Errorf("retrospect of list %s: %w", r.List, err))
		}
	}
	return errors.Join(errs...)
}

func (l *Lists) searchOne(ctx context.Context, r store.Retrospect) error {
	list, err := l.Store.List(ctx, r.List)
	if err != nil {
		return err
	}
	if l.Limits.Retrospect > 0 && list.Withdrawn.IsZero() {
		if !l.current(&list) {
			return nil
		}
		if err := l.lookBack(ctx, r); err != nil {
			return err
		}
		if !l.isOpen(r.List) { // it was found to be damaged on the way
			return nil
		}
	}
	delete(l.searched, r.ID)
	return l.Store.RemoveRetrospect(ctx, r.ID)
}

// current says that what is matched of a list is its newest version, with its last
// change.
func (l *Lists) current(list *store.List) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	f := l.inForce[list.Name]
	return f != nil && f.File == list.File && list.Built == list.Changes
}

func (l *Lists) lookBack(ctx context.Context, r store.Retrospect) error {
	now := l.Clock.Now()
	since := now.Add(-l.Limits.Retrospect)
	if !l.searched[r.ID] {
		line := store.Access{
			At: now, Account: r.By, Action: "retrospective match", From: byCentral, Reason: r.Reason, Outcome: "ok",
			Subject: fmt.Sprintf("list %s, %d marks, records since %s", r.List, len(r.Marks), since.UTC().Format(time.RFC3339)),
		}
		if r.Unmade != "" {
			line.Subject, line.Outcome = "list "+r.List, "not made: "+r.Unmade
		}
		if _, err := l.Store.Log(ctx, line); err != nil {
			return err
		}
		l.searched[r.ID] = true
	}
	only := &wanted{list: r.List, marks: map[nrd.VRM]bool{}}
	for _, mark := range r.Marks {
		only.marks[mark] = true
	}
	for mark := range l.readsOf(r) {
		if err := l.lookFor(ctx, mark, since, only); err != nil {
			return err
		}
	}
	return nil
}

// readsOf are the marks that a record may have been read as.
func (l *Lists) readsOf(r store.Retrospect) map[nrd.VRM]bool {
	l.mu.RLock()
	f := l.inForce[r.List]
	alike := f != nil && near(&f.List)
	l.mu.RUnlock()
	reads := map[nrd.VRM]bool{}
	for _, mark := range r.Marks {
		reads[mark] = true
		if !alike {
			continue
		}
		for _, like := range l.alike.Near(mark) {
			reads[like] = true
		}
	}
	return reads
}

// lookFor raises the alarms of stored records with one mark.
func (l *Lists) lookFor(ctx context.Context, mark nrd.VRM, since time.Time, only *wanted) error {
	var to time.Time
	for {
		records, err := l.Store.Search(ctx, store.Query{Pattern: string(mark), From: since, To: to, Limit: store.MaxLimit})
		if err != nil {
			return err
		}
		now := l.Clock.Stamp()
		byKey := map[nrd.Key]*store.StoredRecord{}
		var alarms []store.HitAlarm
		for i := range records {
			byKey[records[i].Key] = &records[i]
			alarms = append(alarms, l.hits(&records[i], now, only, store.FoundInRetrospect)...)
		}
		raised, err := l.Store.RaiseHits(ctx, alarms)
		if err != nil {
			return err
		}
		l.tell(raised, byKey)
		if len(records) < store.MaxLimit {
			return ctx.Err()
		}
		if to = records[len(records)-1].Time(); !to.After(since) {
			return errors.New("there are more records of one moment than can be searched")
		}
	}
}
