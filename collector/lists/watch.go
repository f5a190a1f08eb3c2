package lists

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nrd/collector/alarm"
	"nrd/collector/store"
)

// watchEvery is how often it is looked whether a file is late.
const watchEvery = time.Minute

// about names a list in its alarms; no device can be called so.
func about(list string) string { return "list " + list }

// lookAfter builds anew what local lists have lost, removes what expired long ago, and
// looks at the alarms.
func (l *Lists) lookAfter(ctx context.Context) error {
	all, err := l.Store.Lists(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for i := range all {
		errs = append(errs, l.heal(ctx, &all[i]))
	}
	return errors.Join(append(errs, l.weed(ctx), l.watch(ctx))...)
}

// heal builds a local list whose entries are damaged, or whose last change is not
// in force because something failed.
func (l *Lists) heal(ctx context.Context, list *store.List) error {
	well := func() bool { return l.isOpen(list.Name) && list.Built == list.Changes }
	if !list.Local() || !list.Withdrawn.IsZero() || well() {
		return nil
	}
	defer l.turns.Take(list.Name)()
	var err error
	if *list, err = l.Store.List(ctx, list.Name); err != nil || !list.Withdrawn.IsZero() || well() {
		return err // it was under way
	}
	l.Log.Warn("a local list is built anew", "list", list.Name)
	return l.build(ctx, list.Name)
}

// watch raises and clears the alarms about lists: a file that is missing, late or
// was refused, entries that are damaged, and files that wait for a person.
func (l *Lists) watch(ctx context.Context) error {
	all, err := l.Store.Lists(ctx)
	if err != nil {
		return err
	}
	held, err := l.Store.HeldImports(ctx)
	if err != nil {
		return err
	}
	waiting := map[string]int{}
	for _, i := range held {
		waiting[i.List]++
	}
	var errs []error
	for i := range all {
		list := &all[i]
		text, err := l.wrong(ctx, list)
		if err == nil {
			err = l.say(ctx, about(list.Name), alarm.Extract, text)
		}
		text = ""
		if n := waiting[list.Name]; n > 0 && list.Withdrawn.IsZero() {
			text = "a file waits for somebody to approve or reject it"
			if n > 1 {
				text = fmt.Sprintf("%d files wait for somebody to approve or reject them", n)
			}
		}
		errs = append(errs, err, l.say(ctx, about(list.Name), alarm.Held, text))
	}
	return errors.Join(errs...)
}

// wrong says what is wrong with the files of a list, "" for nothing.
func (l *Lists) wrong(ctx context.Context, list *store.List) (string, error) {
	switch {
	case !list.Withdrawn.IsZero():
		return "", nil
	case list.File != "" && !l.isOpen(list.Name):
		return "its entries are damaged or lost: it is not matched until it is imported again", nil
	case list.Local():
		return "", nil
	}
	last, err := l.Store.Imports(ctx, list.Name, 1)
	if err != nil {
		return "", err
	}
	if len(last) == 1 && last[0].State == store.ImportRefused {
		return fmt.Sprintf("its last file was refused, import %d: %s", last[0].ID, last[0].Why), nil
	}
	now, from, what := l.Clock.Now(), list.InForce.Loaded, "the last file came"
	if from.IsZero() {
		from, what = list.Created, "none has come since the list was made"
	}
	if len(last) == 1 && last[0].State == store.ImportHeld && (last[0].Received.After(from) || !l.told(from)) {
		from, what = last[0].Received, "the last file came" // it did, and another alarm says that it waits
	}
	if !l.told(from) {
		return "central's clock was or is wrong, so that nobody knows how old the list is and whether a file is late: send it again", nil
	}
	if now.Before(from.Add(due(list) + l.Limits.Late)) {
		return "", nil
	}
	return fmt.Sprintf("no file has come, one is due every %s: %s %s ago", inHours(due(list)), what, inHours(now.Sub(from))), nil
}

func inHours(d time.Duration) string {
	if d < 2*time.Hour {
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return fmt.Sprintf("%d h", int(d.Hours()))
}

// say raises an alarm, or clears it where there is nothing to say.
func (l *Lists) say(ctx context.Context, about, kind, text string) error {
	if text == "" {
		cleared, err := l.Store.ClearAlarm(ctx, about, kind, l.Clock.Now())
		if cleared {
			l.Log.Info("an alarm is cleared", "about", about, "kind", kind)
		}
		return err
	}
	raised, err := l.Store.RaiseAlarm(ctx, store.Alarm{Device: about, Kind: kind, Raised: l.Clock.Now(), Text: text})
	if raised {
		l.Log.Warn("an alarm is raised", "about", about, "kind", kind, "text", text)
	}
	return err
}
