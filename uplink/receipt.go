package uplink

import (
	"nrd/uplink/wire"
)

// receipts is what a number of receipts comes to.
type receipts struct {
	removes []itemID
	buries  []burial
	tell    []told
}

// receipt reads a payload of receipts.
func (s *session) receipt(payload []byte, r *receipts) error {
	var m wire.Receipt
	if err := wire.Unmarshal(payload, &m); err != nil {
		return err
	}
	if err := wire.CheckReceipt(&m); err != nil {
		return err
	}
	for _, item := range m.GetItems() {
		s.answer(item, r)
	}
	return nil
}

// answer acts on one receipt. It counts only for the very bytes that were sent.
func (s *session) answer(m *wire.Receipt_Item, r *receipts) {
	outcome, known := outcomes[m.GetOutcome()]
	key, err := wire.ToKey(m.GetKey())
	if err != nil || !known || key.Device != s.Device {
		return
	}
	if key.Epoch != s.Buffer.epoch {
		s.Log.Warn("a receipt came for a record that this agent never sent", "key", key.String())
		s.setProblem(func(p *problems) {
			p.rival = "another agent uses this device's certificate: central has answered records that this one never sent"
		})
		return
	}
	f := s.sent(part64{key.Sequence, partOf(m.GetKind())})
	if f == nil {
		return // it was answered before
	}
	if f.digest != [32]byte(m.GetDigest()) {
		s.Log.Warn("a receipt is for other bytes than were sent", "key", key.String(), "kind", m.GetKind())
		return
	}
	r.tell = append(r.tell, told{key, m.GetKind(), outcome})
	if m.GetOutcome() != wire.Receipt_RETRY {
		s.retries = 0
		s.setProblem(func(p *problems) { p.busy = "" })
	}
	switch m.GetOutcome() {
	case wire.Receipt_STORED:
		r.removes = append(r.removes, f.id)
	case wire.Receipt_QUARANTINED:
		s.Log.Warn("central has set an item aside for a person to judge", "key", key.String(), "kind", m.GetKind(), "reason", m.GetReason())
		r.removes = append(r.removes, f.id)
	case wire.Receipt_REFUSED:
		r.buries = append(r.buries, burial{f.id, "central refused it: " + m.GetReason()})
	case wire.Receipt_RETRY:
		s.hold(f, m.GetReason())
	}
}

// sent finds what a receipt is about, in the buffer where its flight was given
// up already.
func (s *session) sent(id part64) *flight {
	if f := s.flights[id]; f != nil {
		return f
	}
	i, ok := s.Buffer.find(id.sequence, id.part)
	if !ok {
		return nil
	}
	return &flight{id: i.id, digest: wire.Digest(i.payload)}
}

// hold keeps an item on its way, unsent, until it may be tried again, and tells
// why. A central that can take nothing at all is asked less and less often.
func (s *session) hold(f *flight, reason string) {
	id := part64{f.id.sequence, f.id.part}
	if len(s.trouble) > heldLimit {
		clear(s.trouble) // it holds items that the buffer let go
	}
	now, wait := s.monotonic(), s.backOff(s.trouble[id])
	s.trouble[id]++
	s.land(id)
	f.acked, f.held, f.until = true, true, now+wait
	s.flights[id] = f
	if s.retries++; s.stalled() {
		s.tryAgain = now + s.backOff((s.retries-stallAfter)/2)
	}
	s.setProblem(func(p *problems) { p.busy = reason })
	s.Log.Info("central cannot take an item now", "reason", reason, "again in", wait)
}

// settle makes the buffer act on receipts. After an error the items stay on
// their way until their time is up, and are sent again.
func (s *session) settle(r *receipts) {
	if len(r.removes)+len(r.buries) > 0 {
		if err := s.Buffer.ask(&request{removes: r.removes, buries: r.buries}); err != nil {
			s.Log.Error("receipts could not be written to the buffer", "error", err)
			return
		}
	}
	for _, id := range r.removes {
		s.forget(id)
	}
	for _, b := range r.buries {
		s.forget(b.id)
	}
	for _, t := range r.tell {
		if s.OnReceipt != nil {
			s.OnReceipt(t.key, t.kind, t.outcome)
		}
	}
}

func (s *session) forget(id itemID) {
	key := part64{id.sequence, id.part}
	s.land(key)
	delete(s.trouble, key)
	delete(s.blame, key)
}
