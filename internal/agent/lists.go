package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
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
	if n, err := l.agent.cache.SetAside(); (n > 0 || err != nil) && l.agent.published != nil {
		l.agent.tally.problem(damagedCentral, errors.Join(hotlist.ErrDamaged, err)) // found as the cache was opened, or earlier
	}
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

// The problems with lists from central: one is to be rebuilt; they cannot be brought to
// what central has published.
const (
	damagedCentral = "a list from central"
	centralsLists  = "lists from central"
)

// damaged says that a list is out of force and has it rebuilt: one of a file at the
// next look, one of central's by a sync. When that is done the problem is cleared.
func (a *Agent) damaged(cause error) {
	held, _ := a.cache.Lists()
	ofFiles := a.unloaded(held)
	for _, name := range ofFiles {
		a.tally.problem("list "+name, cause)
	}
	if a.published == nil {
		return
	}
	if len(ofFiles) == 0 || len(a.published.lost(held)) > 0 {
		a.tally.problem(damagedCentral, cause)
	}
	a.published.ask()
}

// unloaded names the lists of files that are not among those in force.
func (a *Agent) unloaded(held []nrd.ListVersion) []string {
	var names []string
	for _, c := range a.Config.Lists {
		names = append(names, c.Name)
	}
	return without(names, held)
}

// without leaves out the names of lists that are in force.
func without(names []string, held []nrd.ListVersion) []string {
	return slices.DeleteFunc(names, func(name string) bool {
		return slices.ContainsFunc(held, func(v nrd.ListVersion) bool { return v.List == name })
	})
}

// missing names the lists that should be in force and are not. Of one of central's that
// was set aside before this start the name is not known.
func (a *Agent) missing(held []nrd.ListVersion) []string {
	names := a.unloaded(held)
	if !a.tally.has(damagedCentral) {
		return names
	}
	lost := a.published.lost(held)
	if n, err := a.cache.SetAside(); len(lost) == 0 && len(names) == 0 && (n > 0 || err != nil) {
		lost = []string{damagedCentral}
	}
	return append(names, lost...)
}

// behind reports whether lists could not be brought to their newest versions.
func (a *Agent) behind() bool {
	of := []string{centralsLists}
	for _, c := range a.Config.Lists {
		of = append(of, "list "+c.Name)
	}
	return a.tally.has(of...)
}
