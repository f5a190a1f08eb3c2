package hotlist

import (
	"fmt"
	"slices"

	"nrd/hotlist/voi"
)

// statusStream gives statuses in their order; ok is false after the last.
type statusStream interface {
	next() (s status, ok bool, err error)
}

// vehicles gives the statuses of one VRM at a time. Without a stream it gives none.
type vehicles struct {
	from    statusStream
	head    status
	more    bool
	started bool
}

func (v *vehicles) next() (of []status, err error) {
	if v.from == nil {
		return nil, nil
	}
	if !v.started {
		v.started = true
		if v.head, v.more, err = v.from.next(); err != nil {
			return nil, err
		}
	}
	for v.more && (len(of) == 0 || of[0].vrm == v.head.vrm) {
		of = append(of, v.head)
		if v.head, v.more, err = v.from.next(); err != nil {
			return nil, err
		}
	}
	return of, nil
}

// statusChange gives the statuses of old with changes applied, one VRM at a time:
// each is put in or takes the place of the one with its VRM and reference or, with
// remove, takes that one away.
type statusChange struct {
	old, changes vehicles
	kinds        *kinds
	remove       bool
	report       *voi.Report

	started bool
	a, b    []status
}

func (c *statusChange) next() (of []status, ok bool, err error) {
	if !c.started {
		c.started = true
		if c.a, err = c.old.next(); err != nil {
			return nil, false, err
		}
		if c.b, err = c.changes.next(); err != nil {
			return nil, false, err
		}
	}
	for len(c.a) > 0 || len(c.b) > 0 {
		of, err := c.step()
		if err != nil || len(of) > 0 {
			return of, err == nil, err
		}
	}
	return nil, false, nil
}

// step takes the vehicle with the lower VRM, from both where it is in both.
func (c *statusChange) step() (of []status, err error) {
	var old, changes []status
	var order int
	switch {
	case len(c.a) == 0:
		order = 1
	case len(c.b) == 0:
		order = -1
	default:
		order = c.a[0].vrm.compare(c.b[0].vrm)
	}
	if order <= 0 {
		old = c.a
		if c.a, err = c.old.next(); err != nil {
			return nil, err
		}
	}
	if order >= 0 {
		changes = c.unique(c.b)
		if c.b, err = c.changes.next(); err != nil {
			return nil, err
		}
	}
	return c.apply(old, changes), nil
}

// unique leaves out what comes a second time and says so in the report.
func (c *statusChange) unique(of []status) []status {
	var kept []status
	for _, s := range of {
		if first := c.find(kept, s); first >= 0 {
			c.report.Accepted--
			c.report.Refuse(int(s.line), "", fmt.Sprintf("has the same VRM and source reference as line %d", kept[first].line))
			continue
		}
		kept = append(kept, s)
	}
	return kept
}

func (c *statusChange) apply(old, changes []status) []status {
	for _, s := range changes {
		at := c.find(old, s)
		if at >= 0 {
			old = slices.Delete(old, at, at+1)
		}
		if c.remove && at < 0 {
			c.report.Warn(int(s.line), "", "is not in the list")
		}
	}
	if c.remove {
		return old
	}
	return append(old, changes...)
}

// find gives the place of the status with the same source reference, or -1.
func (c *statusChange) find(of []status, s status) int {
	return slices.IndexFunc(of, func(o status) bool {
		return c.kinds.entries[o.kind].Reference == c.kinds.entries[s.kind].Reference
	})
}
