package hotlist

import (
	"bytes"
	"fmt"

	"go.etcd.io/bbolt"

	"nrd/hotlist/voi"
)

// unique leaves out what comes a second time and says so in the report.
type unique struct {
	from   stream
	report *voi.Report
	last   item
}

func (u *unique) next() (item, bool, error) {
	for {
		it, ok, err := u.from.next()
		if err != nil || !ok {
			return it, ok, err
		}
		if !bytes.Equal(it.key, u.last.key) {
			u.last = it
			return it, true, nil
		}
		u.report.Accepted--
		u.report.Refuse(it.line, "", fmt.Sprintf("has the same VRM and source reference as line %d", u.last.line))
	}
}

// listed gives the entries of a list in force, some at a time, so that no
// transaction stays open for long.
type listed struct {
	list  *entryList
	ahead []item
	after []byte
	ended bool
}

const entriesPerRead = 1000

func (l *listed) next() (item, bool, error) {
	if len(l.ahead) == 0 && !l.ended {
		if err := l.list.read(l.readAhead); err != nil {
			return item{}, false, err
		}
	}
	if len(l.ahead) == 0 {
		return item{}, false, nil
	}
	it := l.ahead[0]
	l.ahead = l.ahead[1:]
	return it, true, nil
}

func (l *listed) readAhead(b *bbolt.Bucket) error {
	c := b.Cursor()
	key, box := c.Seek(l.after)
	if l.after != nil && bytes.Equal(key, l.after) {
		key, box = c.Next()
	}
	for ; key != nil && len(l.ahead) < entriesPerRead; key, box = c.Next() {
		l.ahead = append(l.ahead, item{key: bytes.Clone(key), box: bytes.Clone(box)})
	}
	if l.ended = key == nil; !l.ended {
		l.after = l.ahead[len(l.ahead)-1].key
	}
	return nil
}

// changed gives the entries of old with changes applied: each is put in or takes
// the place of the one with its key or, with remove, takes that one away.
type changed struct {
	old, changes stream
	remove       bool
	report       *voi.Report

	started    bool
	a, b       item
	aOK, bOK   bool
	aErr, bErr error
}

func (c *changed) next() (item, bool, error) {
	if !c.started {
		c.started = true
		c.a, c.aOK, c.aErr = c.old.next()
		c.b, c.bOK, c.bErr = c.changes.next()
	}
	for {
		switch {
		case c.aErr != nil:
			return item{}, false, c.aErr
		case c.bErr != nil:
			return item{}, false, c.bErr
		case !c.aOK && !c.bOK:
			return item{}, false, nil
		}
		if it, ok := c.step(); ok {
			return it, true, nil
		}
	}
}

// step takes the item with the lower key, and both where they are the same; ok
// says that something of them stays.
func (c *changed) step() (it item, ok bool) {
	order := bytes.Compare(c.a.key, c.b.key)
	if !c.aOK {
		order = 1
	} else if !c.bOK {
		order = -1
	}
	change := c.b
	if order <= 0 {
		it, ok = c.a, true
		c.a, c.aOK, c.aErr = c.old.next()
	}
	if order >= 0 {
		c.b, c.bOK, c.bErr = c.changes.next()
		switch {
		case !c.remove:
			it, ok = change, true
		case order == 0:
			ok = false
		default:
			c.report.Warn(change.line, "", "is not in the list")
		}
	}
	return it, ok
}
