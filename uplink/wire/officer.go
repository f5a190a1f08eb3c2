package wire

import (
	"fmt"
	"math"

	"nrd"
)

// FromOfficerEvent makes the event of what an officer did; its key is still to be
// drawn.
func FromOfficerEvent(e nrd.OfficerEvent) *Event {
	m := &OfficerEvent{
		Action: cut(string(e.Action), maxName), Role: cut(e.Role, maxName), Collar: cut(e.Officer.Collar, maxText),
		Authoriser: cut(e.Officer.Authoriser, maxText), Reference: cut(e.Officer.Reference, maxText), SinceNs: nanos(e.Officer.Since),
		Vrm: string(e.VRM), Disposition: cut(string(e.Disposition), maxName), Reason: cut(e.Reason, maxText),
		Hits: uint32(min(max(e.Hits, 0), math.MaxInt32)), Lists: lists(e.Lists),
	}
	told := first(e.Told, maxHits)
	for i := range told {
		m.Told = append(m.Told, fromHit(&told[i]))
	}
	if e.Record != (nrd.Key{}) {
		m.Record = FromKey(e.Record)
	}
	return &Event{AtNs: nanos(e.At), What: &Event_Officer{Officer: m}}
}

// ToOfficerEvent gives what an officer did; ok is false for an event that is about
// something else. The error is ErrInvalid.
func ToOfficerEvent(m *Event) (event nrd.OfficerEvent, ok bool, err error) {
	if m.GetOfficer() == nil {
		return nrd.OfficerEvent{}, false, nil
	}
	var c check
	event = c.officer(m)
	return event, c.err == nil, c.err
}

func (c *check) officer(event *Event) nrd.OfficerEvent {
	m := event.GetOfficer()
	e := nrd.OfficerEvent{
		Action: nrd.OfficerAction(c.text("officer.action", m.GetAction(), maxName)),
		At:     moment(event.GetAtNs()),
		Role:   c.text("officer.role", m.GetRole(), maxName),
		Officer: nrd.Officer{
			Collar:     c.text("officer.collar", m.GetCollar(), maxText),
			Authoriser: c.text("officer.authoriser", m.GetAuthoriser(), maxText),
			Reference:  c.text("officer.reference", m.GetReference(), maxText),
			Since:      moment(m.GetSinceNs()),
		},
		Disposition: nrd.Disposition(c.text("officer.disposition", m.GetDisposition(), maxName)),
		Reason:      c.text("officer.reason", m.GetReason(), maxText),
		Hits:        c.upTo("officer.hits", m.GetHits(), math.MaxInt32),
	}
	c.count("officer.lists", len(m.GetLists()), maxHits)
	for _, list := range m.GetLists() {
		e.Lists = append(e.Lists, c.text("officer.lists", list, maxName))
	}
	c.count("officer.told", len(m.GetTold()), maxHits)
	for i, h := range m.GetTold() {
		e.Told = append(e.Told, c.hit(fmt.Sprintf("officer.told[%d]", i), h))
	}
	if m.GetAction() == "" {
		c.fail("officer.action", "is missing")
	}
	if m.GetRecord() != nil {
		e.Record = c.key("officer.record", m.GetRecord())
		if e.Record.Device != event.GetKey().GetDevice() {
			c.fail("officer.record.device", "is another device than the event's")
		}
	}
	if m.GetVrm() != "" {
		e.VRM = c.vrm("officer.vrm", m.GetVrm())
	}
	return e
}

func lists(names []string) []string {
	var all []string
	for _, name := range first(names, maxHits) {
		all = append(all, cut(name, maxName))
	}
	return all
}
