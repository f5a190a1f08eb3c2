package store

import (
	"fmt"
	"strings"
	"time"
)

// Limits of [Query.Limit].
const (
	DefaultLimit = 100
	MaxLimit     = 10_000
)

// Normalise gives the query as implementations run it: the pattern in upper
// case without spaces, hyphens and dots, and the limit within its bounds. An
// error wraps [ErrQuery].
func (q Query) Normalise() (Query, error) {
	var b strings.Builder
	for _, r := range strings.ToUpper(q.Pattern) {
		switch {
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '?', r == '*':
			b.WriteRune(r)
		case r == ' ', r == '-', r == '.':
		default:
			return q, fmt.Errorf("%w: the VRM pattern holds %q; letters, digits, ? and * are possible", ErrQuery, r)
		}
	}
	q.Pattern = b.String()
	if !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To) {
		return q, fmt.Errorf("%w: it begins at %s and ends at %s", ErrQuery, q.From.Format(time.RFC3339), q.To.Format(time.RFC3339))
	}
	switch {
	case q.Limit < 0 || q.Limit > MaxLimit:
		return q, fmt.Errorf("%w: the limit is %d; 1 to %d are possible", ErrQuery, q.Limit, MaxLimit)
	case q.Limit == 0:
		q.Limit = DefaultLimit
	}
	return q, nil
}
