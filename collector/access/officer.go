package access

import (
	"context"
	"fmt"
	"strings"

	"nrd/collector/store"
)

// Officers looks for what officers did at units' screens, for a reason: it tells
// marks, as a search does.
func (s *Service) Officers(ctx context.Context, by By, reason string, q store.OfficerQuery) ([]store.OfficerEvent, error) {
	subject := []string{describe(store.Query{Pattern: string(q.VRM), From: q.From, To: q.To, Device: q.Device})}
	if q.Collar != "" {
		subject = append(subject, fmt.Sprintf("officer %q", cut(q.Collar, 64)))
	}
	if q.Action != "" {
		subject = append(subject, cut(string(q.Action), 64))
	}
	if _, err := s.Authorise(ctx, Request{
		Account: by.Account, From: by.From, Right: Search, Action: "search officers' actions", Subject: strings.Join(subject, ", "), Reason: reason,
	}); err != nil {
		return nil, err
	}
	return s.Store.Officers(ctx, q)
}
