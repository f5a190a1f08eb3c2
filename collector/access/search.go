package access

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"nrd"
	"nrd/collector/store"
)

// Search looks for records, for a reason. The line of the log is written before
// the store is asked; a query that cannot be run is store.ErrQuery and no search.
func (s *Service) Search(ctx context.Context, by By, reason string, q store.Query) (store.Access, []store.StoredRecord, error) {
	q, err := q.Normalise()
	if err != nil {
		return store.Access{}, nil, err
	}
	line, err := s.Authorise(ctx, Request{
		Account: by.Account, From: by.From, Right: Search, Action: "search", Subject: describe(q), Reason: reason,
	})
	if err != nil {
		return store.Access{}, nil, err
	}
	records, err := s.Store.Search(ctx, q)
	if err != nil {
		return line, nil, err
	}
	covert, err := s.MayKnowCovert(ctx, by.Account)
	for i := range records {
		if !covert {
			records[i].HideCovert()
		}
	}
	return line, records, err
}

// MayKnowCovert says whether an account may be told of covert entries: they go to
// nobody in a vehicle, only to those who may look at lists.
func (s *Service) MayKnowCovert(ctx context.Context, account string) (bool, error) {
	a, err := s.Store.Account(ctx, account)
	return err == nil && May(a.Role, ViewLists), err
}

// Record opens one record with everything that is known of it, for a reason.
func (s *Service) Record(ctx context.Context, by By, reason string, key nrd.Key) (store.Access, *store.StoredRecord, error) {
	line, err := s.Authorise(ctx, Request{
		Account: by.Account, From: by.From, Right: Search, Action: "view record", Subject: key.String(), Reason: reason,
	})
	if err != nil {
		return store.Access{}, nil, err
	}
	record, err := s.Store.Record(ctx, key)
	if err != nil {
		return line, nil, err
	}
	covert, err := s.MayKnowCovert(ctx, by.Account)
	if !covert {
		record.HideCovert()
	}
	return line, record, err
}

// Image opens one picture of a record, for a reason.
func (s *Service) Image(ctx context.Context, by By, reason string, key nrd.Key, kind nrd.ImageKind) (nrd.Image, error) {
	_, err := s.Authorise(ctx, Request{
		Account: by.Account, From: by.From, Right: ViewImages, Action: "view image", Subject: key.String() + " " + string(kind), Reason: reason,
	})
	if err != nil {
		return nrd.Image{}, err
	}
	return s.Store.Image(ctx, key, kind)
}

// describe puts a query in the words of the access log.
func describe(q store.Query) string {
	words := []string{"vrm " + cmp.Or(cut(q.Pattern, 64), "any")}
	for _, t := range []struct {
		word string
		at   time.Time
	}{{"from", q.From}, {"to", q.To}} {
		if !t.at.IsZero() {
			words = append(words, t.word+" "+t.at.UTC().Format(time.RFC3339))
		}
	}
	if q.Device != "" {
		words = append(words, fmt.Sprintf("device %q", cut(q.Device, 64)))
	}
	if q.Camera != "" {
		words = append(words, fmt.Sprintf("camera %q", cut(q.Camera, 64)))
	}
	if q.HitsOnly {
		words = append(words, "hits only")
	}
	return strings.Join(words, ", ")
}
