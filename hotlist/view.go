package hotlist

import (
	"sync"

	"go.etcd.io/bbolt"
)

// view is a transaction that stays open from one match to the next: to begin one, and
// to collect what it leaves behind, takes as long as what a match does in it. Whoever
// has it holds mu. bbolt writes into a file's free pages, and maps a file that grows
// anew, only while nobody reads: a change ends it first.
type view struct {
	mu     sync.Mutex
	tx     *bbolt.Tx
	cursor *bbolt.Cursor
	// copied says that the entries are so few that bbolt keeps a copy of them in
	// memory: kept open, damage to the file would not be seen.
	copied bool
}

// of gives the cursor over a list's entries. mu is held. After an error or a panic, as
// a damaged file makes bbolt, end has to be called.
func (v *view) of(db *bbolt.DB) (*bbolt.Cursor, error) {
	if v.tx != nil {
		return v.cursor, nil
	}
	var err error
	if v.tx, err = db.Begin(false); err != nil {
		return nil, err
	}
	b, err := entriesOf(v.tx)
	if err != nil {
		return nil, err
	}
	v.cursor, v.copied = b.Cursor(), b.Root() == 0
	return v.cursor, nil
}

// end closes it, if it is open. mu is held.
func (v *view) end() error {
	if v.tx == nil {
		return nil
	}
	tx := v.tx
	v.tx, v.cursor = nil, nil
	return tx.Rollback()
}
