package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"nrd"
	"nrd/hotlist"
)

// listLook is how often the list files are looked at for a change.
const listLook = time.Minute

// lists keeps the cache in step with the list files of the configuration.
type lists struct {
	agent *Agent
	// loaded is when each list's file was written that was loaded or refused
	// last, so that it is not read again.
	loaded map[string]time.Time
}

// begin takes the cache as an earlier run left it: what is in force and
// configured stays, what is no longer configured must not match any more.
func (l *lists) begin(ctx context.Context) error {
	l.loaded = map[string]time.Time{}
	held, err := l.agent.cache.Lists()
	if err != nil {
		return fmt.Errorf("lists: %w", err)
	}
	configured := map[string]bool{}
	for _, c := range l.agent.Config.Lists {
		configured[c.Name] = true
	}
	central := l.agent.cache.Published()
	for _, v := range held {
		if _, came := central[v.List]; came && l.agent.published != nil && !configured[v.List] {
			continue // central says when it is to go
		}
		if configured[v.List] {
			l.loaded[v.List] = v.Issued
			continue
		}
		l.agent.Log.Info("a list that is no longer configured is removed", "list", v.List)
		if err := l.agent.cache.Remove(v.List); err != nil {
			return fmt.Errorf("list %s: %w", v.List, err)
		}
	}
	l.look(ctx)
	return nil
}

// run looks at the files until ctx ends.
func (l *lists) run(ctx context.Context) error {
	tick := time.NewTicker(listLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			l.look(ctx)
		}
	}
}

// look loads each list whose file has changed, or whose cache was found to be
// damaged. A file that is missing or refused leaves the list in force that was
// there before.
func (l *lists) look(ctx context.Context) {
	held := map[string]bool{}
	versions, err := l.agent.cache.Lists()
	l.agent.tally.problem("lists", err)
	for _, v := range versions {
		held[v.List] = true
	}
	for _, c := range l.agent.Config.Lists {
		info, err := os.Stat(c.File)
		if err != nil {
			l.agent.tally.problem("list "+c.Name, err)
			continue
		}
		if held[c.Name] && l.loaded[c.Name].Equal(info.ModTime()) {
			continue
		}
		l.load(ctx, c)
		l.loaded[c.Name] = info.ModTime()
	}
}

func (l *lists) load(ctx context.Context, c ListConfig) {
	report, err := l.agent.cache.Import(ctx, c.Name, c.File)
	l.agent.tally.problem("list "+c.Name, err)
	if err != nil {
		l.agent.Log.Error("a list was not loaded", "list", c.Name, "error", err)
		return
	}
	l.agent.Log.Info("list loaded", "list", c.Name, "accepted", report.Accepted, "refused", report.Refused)
}

// match gives the hits of a mark. A list that is found to be damaged is rebuilt;
// until then the others match.
func (a *Agent) match(v nrd.VRM) []nrd.Hit {
	hits, err := a.cache.Match(v)
	if err == nil {
		return hits
	}
	a.Log.Error("the lists could not be searched", "error", err)
	if errors.Is(err, hotlist.ErrDamaged) {
		a.damaged(err)
	} else {
		a.tally.problem("lists", err)
	}
	return hits
}

// damagedCentral is the problem of a list from central that is to be rebuilt.
const damagedCentral = "a list from central"

// damaged says that a list is out of force and has it rebuilt: one of a file at the
// next look, one of central's by a sync. When that is done the problem is cleared.
func (a *Agent) damaged(cause error) {
	held := map[string]bool{}
	versions, _ := a.cache.Lists()
	for _, v := range versions {
		held[v.List] = true
	}
	ofFile := false
	for _, c := range a.Config.Lists {
		if !held[c.Name] {
			ofFile = true
			a.tally.problem("list "+c.Name, cause)
		}
	}
	if a.published == nil {
		return
	}
	if !ofFile {
		a.tally.problem(damagedCentral, cause)
	}
	a.published.ask()
}
