package access

import (
	"context"
	"fmt"
	"time"

	"nrd"
	"nrd/collector/store"
)

// Quarantine lists what was set aside, newest first. Whoever judges a time needs
// no mark for it, so looking needs no reason.
func (s *Service) Quarantine(ctx context.Context, by By, limit int) ([]store.Item, error) {
	_, err := s.Authorise(ctx, Request{Account: by.Account, From: by.From, Right: ViewQuarantine, Action: "view quarantine"})
	if err != nil {
		return nil, err
	}
	return s.Store.Quarantine(ctx, limit)
}

// Freed is a person's word about a quarantined record.
type Freed struct {
	Key nrd.Key
	// At is when it was captured.
	At     time.Time
	Reason string
	// Whole says that the other records of the same start of the unit, those
	// still to come as well, get their time from this one.
	Whole bool
}

// Release files a quarantined record under the time that a person gives it, and
// says how many records left quarantine. The errors are ErrRelease for a time
// that cannot be or a key that another record has, and store.ErrNotFound where
// there is nothing under the key.
func (s *Service) Release(ctx context.Context, by By, f Freed) (released int, err error) {
	subject := fmt.Sprintf("%s as of %s", f.Key, f.At.UTC().Format(time.RFC3339Nano))
	if f.Whole {
		subject += ", and all of that start of the unit"
	}
	_, err = s.Authorise(ctx, Request{Account: by.Account, From: by.From, Right: Release, Action: "quarantine release", Subject: subject, Reason: f.Reason})
	if err != nil {
		return 0, err
	}
	now := s.Clock.Now()
	if err := s.Profile.Plausible(f.At, now); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrRelease, err)
	}
	record, err := s.quarantined(ctx, f.Key)
	if err != nil {
		return 0, err
	}
	correction := store.Correction{UTC: f.At.UTC(), Source: nrd.ClockPerson, By: by.Account, Reason: f.Reason, At: now}
	releases := []store.Release{{Key: f.Key, Correction: correction}}
	if f.Whole {
		others, err := s.anchor(ctx, record, correction)
		if err != nil {
			return 0, err
		}
		releases = append(releases, others...)
	}
	held, err := s.Store.Release(ctx, releases)
	if err == nil && len(held) == 0 {
		err = fmt.Errorf("%w: another record has its key", ErrRelease)
	}
	return len(held), err
}

// quarantined finds the record that was set aside under a key.
func (s *Service) quarantined(ctx context.Context, key nrd.Key) (*nrd.Record, error) {
	items, err := s.Store.Quarantined(ctx, key)
	if err != nil {
		return nil, err
	}
	for _, item := range items {
		if item.Kind == store.KindRecord {
			return item.Record, nil
		}
	}
	return nil, fmt.Errorf("%s in quarantine: %w", key, store.ErrNotFound)
}

// anchor makes one record's time that of its whole start, and gives the others
// that wait for it.
func (s *Service) anchor(ctx context.Context, record *nrd.Record, c store.Correction) ([]store.Release, error) {
	captured := record.Captured
	if captured.Proved || captured.BootID == "" {
		return nil, fmt.Errorf("%w: it does not name a start of the unit in which the clock was not proved", ErrRelease)
	}
	anchor := store.Anchor{Device: record.Key.Device, By: c.By, Reason: c.Reason, At: c.At, Correction: nrd.Correction{
		BootID: captured.BootID, Monotonic: captured.Monotonic, UTC: c.UTC, ClockError: captured.UTC.Sub(c.UTC), Source: nrd.ClockPerson,
	}}
	if err := s.Store.PutAnchor(ctx, anchor, c.At.AddDate(0, 0, -s.Profile.RetentionDays)); err != nil {
		return nil, err
	}
	waiting, err := s.Store.Unproved(ctx, record.Key.Device, captured.BootID)
	var releases []store.Release
	for _, w := range waiting {
		other := c
		other.UTC = anchor.Time(w.Captured)
		if w.Key != record.Key && s.Profile.Plausible(other.UTC, c.At) == nil {
			releases = append(releases, store.Release{Key: w.Key, Correction: other})
		}
	}
	return releases, err
}
