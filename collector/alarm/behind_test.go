package alarm

import (
	"context"
	"strings"
	"testing"
	"time"

	"nrd"
	"nrd/collector/store"
)

// publish notes what units are given of a list, as package lists does.
func (d *desk) publish(name string, version uint64, recipients ...string) {
	d.t.Helper()
	if err := d.Store.ChangeList(context.Background(), name, func(l *store.List) error {
		l.Created, l.Published, l.Recipients = morning, version, recipients
		return nil
	}); err != nil {
		d.t.Fatal(err)
	}
}

// holds lets unit-1 say which version of a list it has.
func (d *desk) holds(name string, version uint64) {
	d.status.Lists = []nrd.ListVersion{{List: name, Version: version, Issued: d.clock.Now(), Entries: 1}}
}

// hours lets some pass in which the unit reports, with a fresh list.
func (d *desk) hours(n int) {
	for range n * 15 {
		d.clock.Advance(3 * time.Minute)
		for i := range d.status.Lists {
			d.status.Lists[i].Issued = d.clock.Now()
		}
		d.minute()
	}
}

func TestAUnitThatDoesNotGetTheListsThatItShouldHaveIsAnAlarm(t *testing.T) {
	for name, c := range map[string]struct {
		lists func(d *desk)
		says  string // "" for no alarm
	}{
		"it has none":                     {func(d *desk) { d.publish("burglars", 3) }, "burglars (none on it, version 3 is published)"},
		"it is named and has none":        {func(d *desk) { d.publish("burglars", 3, "unit-1") }, "burglars (none on it"},
		"it has an older version":         {func(d *desk) { d.publish("burglars", 3); d.holds("burglars", 2) }, "burglars (version 2 on it, version 3 is published)"},
		"it has it":                       {func(d *desk) { d.publish("burglars", 3); d.holds("burglars", 3) }, ""},
		"it has a newer one than central": {func(d *desk) { d.publish("burglars", 3); d.holds("burglars", 4) }, ""},
		"the list goes to others":         {func(d *desk) { d.publish("burglars", 3, "car-7") }, ""},
		"nothing of it is published yet":  {func(d *desk) { d.publish("burglars", 0) }, ""},
		"the list was withdrawn": {func(d *desk) {
			d.publish("burglars", 3)
			if err := d.Store.ChangeList(context.Background(), "burglars", func(l *store.List) error { l.Withdrawn = morning; return nil }); err != nil {
				d.t.Fatal(err)
			}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			c.lists(d)
			d.hours(8)
			d.wants("before it must have looked", "")
			d.hours(2)
			alarms, err := d.Store.StandingAlarms(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if c.says == "" {
				d.wants("all is well", "")
			} else if len(alarms) != 1 || alarms[0].Kind != Behind || !strings.Contains(alarms[0].Text, c.says) {
				t.Errorf("the alarms are %+v", alarms)
			}
		})
	}
}

func TestAUnitIsBehindOnlyWhileItIsHeardAndDoesNotGoOn(t *testing.T) {
	d := newDesk(t)
	d.publish("burglars", 2)
	d.holds("burglars", 1)
	d.hours(6)
	d.publish("burglars", 3) // as a list that is vouched for anew is, before the unit has looked
	d.holds("burglars", 2)
	d.hours(6)
	d.wants("of a unit that goes on from version to version", "")
	d.clock.Advance(12 * time.Hour) // switched off over night
	d.look()
	d.hours(8)
	d.wants("of one that was off and had not the time", "")
	d.hours(2)
	d.wants("then", Behind)
	d.restart()
	d.hours(1)
	d.wants("after a start of central", Behind)
	d.holds("burglars", 3)
	d.minute()
	d.wants("once it has the newest", "")
}
