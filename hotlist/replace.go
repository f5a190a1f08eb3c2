package hotlist

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"nrd"
	"nrd/hotlist/publication"
	"nrd/hotlist/voi"
)

// Published gives what central said of the lists in force that came from there, by
// name.
func (c *Cache) Published() map[string]publication.Publication {
	c.mu.RLock()
	defer c.mu.RUnlock()
	all := map[string]publication.Publication{}
	for name, l := range c.lists {
		if p := l.about().Published; p != nil {
			all[name] = *p
		}
	}
	return all
}

// Replace puts a snapshot from central in force, in one step: an error of any
// kind, the end of ctx or of the process leaves the version before in force. The
// error is publication.ErrMalformed where the snapshot is not the list that was
// announced, and ErrOlder where a version that was made later was in force.
func (c *Cache) Replace(ctx context.Context, p publication.Publication, snapshot *publication.Reader) error {
	c.importing.Lock()
	defer c.importing.Unlock()
	if err := c.checkFloor(p.List, p.Made); err != nil {
		return err
	}
	number, err := c.nextVersion(p.List)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp(c.config.Path, "snapshot-*"+unfinishedSuffix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(work) //nolint:errcheck // what stays is removed by the next Open
	i := &importer{
		ctx: ctx, cache: c, about: c.aboutPublished(p, number), work: work, rule: Rule{Near: p.Near, Status: p.Status},
		report: &voi.Report{},
	}
	i.each = func(keep func(nrd.Entry, []byte) error) error { return i.unpack(p, snapshot, keep) }
	l, err := i.run()
	if err != nil {
		return err
	}
	if n := l.version().Entries; n != p.Entries {
		return errors.Join(fmt.Errorf("%w: %s: it has %d entries where %d were announced", publication.ErrMalformed, p.List, n, p.Entries), l.close())
	}
	return errors.Join(c.putInForce(l), c.removeDamaged(p.List))
}

// aboutPublished is the header of a list from central.
func (c *Cache) aboutPublished(p publication.Publication, number uint64) header {
	p.Key = nil
	return header{ListVersion: p.ListVersion(c.config.Clock.Stamp().True()), Number: number, Published: &p}
}

// unpack gives each line of a snapshot to keep, and checks them together.
func (i *importer) unpack(p publication.Publication, snapshot *publication.Reader, keep func(nrd.Entry, []byte) error) error {
	var content publication.Content
	for n := 1; ; n++ {
		_, line, err := snapshot.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = i.ctx.Err()
		}
		if err != nil {
			return err
		}
		content.Add(line)
		e, err := parsePublished(p, n, line)
		if err != nil {
			return err
		}
		if err := keep(e, line); err != nil {
			return err
		}
	}
	if content != p.Content {
		return fmt.Errorf("%w: %s: its entries are not those that were announced", publication.ErrMalformed, p.List)
	}
	return nil
}

func parsePublished(p publication.Publication, number int, line []byte) (nrd.Entry, error) {
	e, problems := voi.ParseLine(string(line))
	for _, problem := range problems {
		if problem.Refused {
			return e, fmt.Errorf("%w: %s: line %d: %s", publication.ErrMalformed, p.List, number, problem)
		}
	}
	e.List = p.List
	return e, nil
}
