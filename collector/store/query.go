package store

import (
	"fmt"
	"strings"
	"time"

	"nrd"
)

// Limits of [Query.Limit].
const (
	DefaultLimit = 100
	MaxLimit     = 10_000
	// maxPattern leaves room for a wildcard at each character of a mark.
	maxPattern = 2 * nrd.MaxVRM
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
	switch {
	case b.Len() == 0 && strings.TrimSpace(q.Pattern) != "":
		return q, fmt.Errorf("%w: the VRM pattern %q holds no letter, digit, ? or *; leave it empty to search all", ErrQuery, q.Pattern)
	case b.Len() > maxPattern:
		return q, fmt.Errorf("%w: the VRM pattern has %d characters, at most %d are possible", ErrQuery, b.Len(), maxPattern)
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
