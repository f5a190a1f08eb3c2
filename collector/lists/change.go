package lists

import (
	"fmt"

	"nrd"
	"nrd/hotlist/voi"
)

// unique leaves out what comes a second time and says so in the report.
type unique struct {
	from   stream
	report *voi.Report
	last   row
	begun  bool
}

func (u *unique) next() (row, bool, error) {
	for {
		r, ok, err := u.from.next()
		if err != nil || !ok {
			return r, ok, err
		}
		if !u.begun || !r.same(&u.last) {
			u.last, u.begun = r, true
			return r, true, nil
		}
		u.report.Accepted--
		u.report.Refuse(r.line, "", fmt.Sprintf("has the same VRM and source reference as line %d", u.last.line))
	}
}

// peeked is a stream whose next row can be looked at.
type peeked struct {
	from stream
	row  row
	ok   bool
}

func (p *peeked) advance() (err error) {
	p.row, p.ok, err = p.from.next()
	return err
}

// order compares the next rows of two streams that are not both at their end.
func order(a, b *peeked) int {
	switch {
	case !a.ok:
		return 1
	case !b.ok || a.row.same(&b.row):
		if a.ok && b.ok {
			return 0
		}
		return -1
	}
	// Of the same entry the lines do not matter.
	x, y := a.row, b.row
	x.line, y.line = 0, 0
	return x.compare(&y)
}

// changed gives the rows of old with changes applied: each is put in or takes the
// place of the one of the same entry or, with remove, takes that one away.
type changed struct {
	old, changes peeked
	remove       bool
	report       *voi.Report
	begun        bool
}

func (c *changed) next() (row, bool, error) {
	if !c.begun {
		c.begun = true
		if err := c.old.advance(); err != nil {
			return row{}, false, err
		}
		if err := c.changes.advance(); err != nil {
			return row{}, false, err
		}
	}
	for c.old.ok || c.changes.ok {
		r, stays, err := c.step()
		if err != nil || stays {
			return r, stays, err
		}
	}
	return row{}, false, nil
}

// step takes the first row, and both where they are of one entry; stays says that
// something of them does.
func (c *changed) step() (r row, stays bool, err error) {
	first, change := order(&c.old, &c.changes), c.changes.row
	if first <= 0 {
		r, stays = c.old.row, true
		if err := c.old.advance(); err != nil {
			return r, false, err
		}
	}
	if first < 0 {
		return r, stays, nil
	}
	switch {
	case !c.remove:
		r, stays = change, true
	case first == 0:
		stays = false
	default:
		c.report.Warn(change.line, "", "is not in the list")
	}
	return r, stays, c.changes.advance()
}

// living passes rows on and counts those that have not expired by a day.
type living struct {
	from stream
	day  int64
	n    int
}

func (l *living) next() (row, bool, error) {
	r, ok, err := l.from.next()
	if ok && !r.expired(l.day) {
		l.n++
	}
	return r, ok, err
}

// newcomers passes rows on and notes the marks of entries that old does not have,
// as far as there is room.
type newcomers struct {
	from, old peeked
	begun     bool
	marks     []nrd.VRM
	// more says that there are more than the room is for.
	more bool
}

// maxMarks is how many marks one retrospect looks for. A list that comes for the
// first time has more, and is matched from then on.
const maxMarks = 10_000

// tooMany says so.
const tooMany = "more than 10,000 marks are new"

func (n *newcomers) next() (row, bool, error) {
	if !n.begun {
		n.begun = true
		if err := n.old.advance(); err != nil {
			return row{}, false, err
		}
	}
	if err := n.from.advance(); err != nil || !n.from.ok {
		return row{}, false, err
	}
	for n.old.ok && order(&n.old, &n.from) < 0 {
		if err := n.old.advance(); err != nil {
			return row{}, false, err
		}
	}
	r := n.from.row
	if !n.old.ok || !n.old.row.same(&r) {
		n.note(r.vrm)
	}
	return r, true, nil
}

func (n *newcomers) note(v nrd.VRM) {
	switch {
	case len(n.marks) > 0 && n.marks[len(n.marks)-1] == v:
	case len(n.marks) == maxMarks:
		n.more = true
	default:
		n.marks = append(n.marks, v)
	}
}

// none is a stream without rows.
type none struct{}

func (none) next() (row, bool, error) { return row{}, false, nil }
