package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"nrd/collector/store"
)

const accessColumns = `sequence, at, account, action, subject, reason, origin, outcome, chain`

// Log is documented at [store.Store].
func (s *Store) Log(ctx context.Context, a store.Access) (store.Access, error) {
	a.At = a.At.UTC().Round(0)
	err := write(ctx, s.site.db, func(tx *sql.Tx) error {
		last, before, err := accessHead(ctx, tx)
		if err != nil {
			return err
		}
		a.Sequence = last + 1
		a.Chain = a.Chained(before)
		if _, err := tx.Exec(`INSERT INTO access VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, int64(a.Sequence), a.At.UnixNano(),
			a.Account, a.Action, a.Subject, a.Reason, a.From, a.Outcome, a.Chain[:]); err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE access_head SET sequence=?, chain=?`, int64(a.Sequence), a.Chain[:])
		return err
	})
	return a, err
}

// accessHead gives the last line's sequence and chain; it stands apart from the
// lines, so that taking out the last of them shows.
func accessHead(ctx context.Context, db interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}) (sequence uint64, chain [32]byte, err error) {
	var raw []byte
	err = db.QueryRowContext(ctx, `SELECT sequence, chain FROM access_head`).Scan(&sequence, &raw)
	copy(chain[:], raw)
	return sequence, chain, err
}

func scanAccess(scan scanner) (a store.Access, err error) {
	var at int64
	var chain []byte
	err = scan(&a.Sequence, &at, &a.Account, &a.Action, &a.Subject, &a.Reason, &a.From, &a.Outcome, &chain)
	a.At = time.Unix(0, at).UTC()
	copy(a.Chain[:], chain)
	return a, err
}

// AccessLog is documented at [store.Store].
func (s *Store) AccessLog(ctx context.Context, from uint64, limit int) ([]store.Access, error) {
	return list(ctx, s.site.db, scanAccess, `SELECT `+accessColumns+` FROM access WHERE sequence>=? ORDER BY sequence LIMIT ?`,
		int64(from), limit)
}

// CheckAccessLog is documented at [store.Store].
func (s *Store) CheckAccessLog(ctx context.Context) error {
	tx, err := s.site.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // lines may be added meanwhile
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // it only read
	last, head, err := accessHead(ctx, tx)
	if err != nil {
		return err
	}
	var chain [32]byte
	for next := uint64(1); next <= last; {
		lines, err := list(ctx, tx, scanAccess, `SELECT `+accessColumns+` FROM access WHERE sequence>=? ORDER BY sequence LIMIT 1000`, int64(next))
		if err != nil {
			return err
		}
		if len(lines) == 0 {
			return fmt.Errorf("%w: line %d of %d is missing", store.ErrChain, next, last)
		}
		for _, line := range lines {
			if line.Sequence != next {
				return fmt.Errorf("%w: line %d is missing", store.ErrChain, next)
			}
			if chain = line.Chained(chain); chain != line.Chain {
				return fmt.Errorf("%w: line %d was changed, or one before it", store.ErrChain, next)
			}
			next++
		}
	}
	if chain != head {
		return fmt.Errorf("%w: line %d was changed, or one was added behind it", store.ErrChain, last)
	}
	return nil
}
