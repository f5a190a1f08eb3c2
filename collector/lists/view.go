package lists

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"nrd"
	"nrd/collector/access"
	"nrd/collector/store"
)

// Summary is a list and how it is used.
type Summary struct {
	store.List
	// Hits counts the hit alarms of the last UsageDays, Dispositions what officers
	// said became of theirs.
	Hits         uint64
	Dispositions map[nrd.Disposition]uint64
	// Held is how many files wait for a person.
	Held int
	// Problem is the text of a standing alarm, "" for none.
	Problem string
	// NearRefused says that the list asks for look-alikes and is too large for them.
	NearRefused bool
	// ReviewOverdue says that somebody should have looked whether it is needed.
	ReviewOverdue bool
}

// UsageDays is how far back the use of a list is counted.
const UsageDays = 30

// All lists all lists with their use. That somebody looked is logged.
func (l *Lists) All(ctx context.Context, by access.By) ([]Summary, error) {
	if err := l.authorise(ctx, by, access.ViewLists, "view lists", "", ""); err != nil {
		return nil, err
	}
	all, err := l.Store.Lists(ctx)
	if err != nil {
		return nil, err
	}
	return l.summaries(ctx, all)
}

// One gives a list and some of its entries. That somebody looked is logged, with the
// mark where one was looked for.
func (l *Lists) One(ctx context.Context, by access.By, q store.EntryQuery) (Summary, []store.ListEntry, error) {
	subject := "list " + q.List
	if q.VRM != "" {
		subject += ", mark " + string(q.VRM)
	}
	if err := l.authorise(ctx, by, access.ViewLists, "view list", subject, ""); err != nil {
		return Summary{}, nil, err
	}
	list, err := l.Store.List(ctx, q.List)
	if err != nil {
		return Summary{}, nil, err
	}
	some, err := l.summaries(ctx, []store.List{list})
	if err != nil {
		return Summary{}, nil, err
	}
	entries, err := l.Store.Entries(ctx, q)
	return some[0], entries, err
}

func (l *Lists) summaries(ctx context.Context, all []store.List) ([]Summary, error) {
	now := l.Clock.Now()
	since := now.Add(-UsageDays * 24 * time.Hour)
	hits, err := l.Store.HitCounts(ctx, since, time.Time{})
	if err != nil {
		return nil, err
	}
	dispositions, err := l.Store.Dispositions(ctx, since, time.Time{})
	if err != nil {
		return nil, err
	}
	held, err := l.Store.HeldImports(ctx)
	if err != nil {
		return nil, err
	}
	alarms, err := l.Store.StandingAlarms(ctx)
	summaries := make([]Summary, len(all))
	for i, list := range all {
		s := Summary{List: list, Hits: hits[list.Name], Dispositions: dispositions[list.Name]}
		s.NearRefused = list.Near && !near(&list)
		s.ReviewOverdue = list.Withdrawn.IsZero() && !list.Review.IsZero() && now.After(list.Review)
		for _, h := range held {
			if h.List == list.Name {
				s.Held++
			}
		}
		for _, a := range alarms {
			if a.Device == about(list.Name) {
				s.Problem = a.Text
			}
		}
		summaries[i] = s
	}
	return summaries, err
}

// StateOf says in a word how an entry stands: in force, overdue for its review, or
// expired and matched no more.
func StateOf(e *store.ListEntry, now time.Time) string {
	switch {
	case e.Expired(now):
		return "expired"
	case e.Overdue(now):
		return "overdue"
	}
	return "in force"
}

// Imports lists the files that came, newest first, of one list or of all.
func (l *Lists) Imports(ctx context.Context, by access.By, name string, limit int) ([]store.ListImport, error) {
	if err := l.authorise(ctx, by, access.ViewLists, "view list imports", name, ""); err != nil {
		return nil, err
	}
	return l.Store.Imports(ctx, name, limit)
}

// ImportOf gives one import with its report.
func (l *Lists) ImportOf(ctx context.Context, by access.By, id uint64) (store.ListImport, error) {
	if err := l.authorise(ctx, by, access.ViewLists, "view list import", fmt.Sprint(id), ""); err != nil {
		return store.ListImport{}, err
	}
	return l.Store.Import(ctx, id)
}

// Acknowledge notes that somebody has seen a hit alarm, with a note where there is
// something to say. It answers the alarm as it stands: who was first stays. What became
// of the vehicle is another matter. One of a covert entry is not found by who may not
// know of it.
func (l *Lists) Acknowledge(ctx context.Context, by access.By, key store.HitKey, note string) (store.HitAlarm, error) {
	note = strings.TrimSpace(note)
	if err := l.authorise(ctx, by, access.Acknowledge, "acknowledge hit", fmt.Sprintf("record %s, list %s", key.Record, key.List), note); err != nil {
		return store.HitAlarm{}, err
	}
	if len([]rune(note)) > access.MaxReason {
		return store.HitAlarm{}, fmt.Errorf("%w: a note has at most %d characters", ErrInvalid, access.MaxReason)
	}
	a, err := l.Store.HitAlarm(ctx, key)
	if err == nil && a.Covert {
		var may bool
		if may, err = l.Access.MayKnowCovert(ctx, by.Account); err == nil && !may {
			err = store.ErrNotFound
		}
	}
	if err != nil {
		return store.HitAlarm{}, err
	}
	return l.Store.AcknowledgeHit(ctx, key, store.Acknowledgement{By: by.Account, At: l.Clock.Now(), Note: note})
}

// Hits lists the newest hit alarms, of one list or of all; those of covert entries
// only for who may know of them.
func (l *Lists) Hits(ctx context.Context, by access.By, q store.HitQuery, reason string) ([]store.HitAlarm, error) {
	_, alarms, err := l.HitAlarms(ctx, by, q, reason)
	return alarms, err
}

// HitAlarms is Hits with its line of the access log, which links to records cite.
func (l *Lists) HitAlarms(ctx context.Context, by access.By, q store.HitQuery, reason string) (store.Access, []store.HitAlarm, error) {
	line, err := l.Access.Authorise(ctx, access.Request{Account: by.Account, From: by.From, Right: access.Search, Action: "view hit alarms", Subject: q.List, Reason: reason})
	if err != nil {
		return line, nil, err
	}
	alarms, err := l.Store.HitAlarms(ctx, q)
	if err != nil {
		return line, nil, err
	}
	covert, err := l.Access.MayKnowCovert(ctx, by.Account)
	if covert {
		return line, alarms, err
	}
	return line, slices.DeleteFunc(alarms, func(a store.HitAlarm) bool { return a.Covert }), err
}
