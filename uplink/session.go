package uplink

import (
	"context"
	"fmt"
	"net"
	"time"

	"nrd"
	"nrd/internal/link"
	"nrd/uplink/wire"
)

// part64 names an item by what a receipt knows of it.
type part64 struct {
	sequence uint64
	part     part
}

// flight is an item on its way: published, and without a receipt yet.
type flight struct {
	id     itemID
	digest [32]byte
	bytes  int
	// sent is when it was published, acked that the broker has it: it is sent,
	// not stored.
	sent  time.Duration
	acked bool
	// until is when it is given up and sent again.
	until time.Duration
	// held says that central wants it later: it waits here until then.
	held bool
}

type message struct {
	topic   string
	payload []byte
}

type ack struct {
	item part64
	err  error
}

// session is one connection's state, owned by the goroutine of run.
type session struct {
	*Client
	link    link.Link
	class   LinkClass
	began   time.Duration
	flights map[part64]*flight
	window  window
	paused  bool
	// retries counts the answers "retry" since central last took something;
	// tryAgain is when a stalled central is tried next.
	retries  int
	tryAgain time.Duration

	inbox chan message
	acks  chan ack
	// over ends those that would hand something in.
	over chan struct{}
}

func newSession(c *Client) *session {
	return &session{
		Client: c, flights: map[part64]*flight{}, window: newWindow(),
		inbox: make(chan message, 64), acks: make(chan ack, 64), over: make(chan struct{}),
	}
}

// config is how the session's link is made.
func (s *session) config() (link.Config, error) {
	will, err := wire.Marshal(wire.LastWill(s.Device))
	return link.Config{
		Broker: s.Broker, TLS: s.TLS, Client: s.Device,
		WillTopic: wire.TopicStatus(s.Device), Will: will,
		Topics:   []string{wire.TopicReceipt(s.Device), wire.TopicCommand(s.Device)},
		Also:     []string{wire.TopicNoticeLists},
		Received: s.received,
		Rate: func(local net.Addr) int {
			s.class = classOf(s.Links, local)
			return s.class.BytesPerSecond
		},
	}, err
}

func (s *session) received(topic string, payload []byte) {
	select {
	case s.inbox <- message{topic, payload}:
	case <-s.over:
	}
}

// run works until the connection breaks or ctx is done.
func (s *session) run(ctx context.Context) error {
	tick, status := time.NewTicker(s.pace.tick), time.NewTicker(s.pace.status)
	defer tick.Stop()
	defer status.Stop()
	s.publishStatus()
	for {
		if err := s.fill(); err != nil {
			s.Log.Error("the buffer could not be read", "error", err)
		}
		select {
		case <-ctx.Done():
			s.farewell()
			return ctx.Err()
		case err := <-s.link.Lost():
			s.readAcks()
			return err
		case m := <-s.inbox:
			s.take(m)
		case a := <-s.acks:
			s.ack(a)
			s.readAcks()
		case <-s.Buffer.changed:
		case <-tick.C:
			s.look()
		case <-status.C:
			s.publishStatus()
		case <-s.News:
			s.publishStatus()
		}
	}
}

func (s *session) age() time.Duration { return s.monotonic() - s.began }

// fill publishes as much as may be on the way.
func (s *session) fill() error {
	room, some := s.room()
	if s.paused || !some {
		return nil
	}
	items, damaged, err := s.Buffer.next(room, func(id itemID) bool {
		return s.flights[part64{id.sequence, id.part}] != nil
	})
	if err != nil {
		return err
	}
	if s.single() && len(items) > 1 {
		items = items[:1]
	}
	for _, i := range items {
		s.publish(i)
	}
	if len(damaged) > 0 {
		return s.Buffer.ask(&request{buries: damaged})
	}
	return nil
}

// probing says that items go one at a time, which after connections that the
// other side ended shows whether it is an item that it cannot bear.
func (s *session) probing() bool { return s.kicks >= patience }

// stalled says that central takes nothing at the moment. One item at a time
// shows when it does again.
func (s *session) stalled() bool { return s.retries >= stallAfter }

// single says that one item may be on the way.
func (s *session) single() bool { return s.probing() || s.stalled() }

func (s *session) publish(i item) {
	id := part64{i.id.sequence, i.id.part}
	topic := wire.TopicRecord(s.Device)
	switch {
	case i.id.rank.image():
		topic = wire.TopicImage(s.Device)
	case i.id.part == partEvent:
		topic = wire.TopicEvent(s.Device)
	}
	now := s.monotonic()
	s.flights[id] = &flight{id: i.id, digest: wire.Digest(i.payload), bytes: len(i.payload), sent: now, until: now + s.pace.receipt}
	s.window.sent(len(i.payload), i.id.rank.image())
	s.link.Publish(topic, false, i.payload, func(err error) {
		select {
		case s.acks <- ack{id, err}:
		case <-s.over:
		}
	})
}

// ack marks an item sent. One that was not acknowledged has broken with its
// connection, whose end is on its way.
func (s *session) ack(a ack) {
	f := s.flights[a.item]
	if f == nil || a.err != nil {
		return
	}
	now := s.monotonic()
	if !f.acked {
		s.window.acked(f.bytes, now-f.sent, now)
	}
	f.acked = true
	delete(s.blame, a.item)
	if !f.held {
		f.until = now + s.pace.receipt
	}
}

// readAcks takes the acknowledgements that are there already.
func (s *session) readAcks() {
	for {
		select {
		case a := <-s.acks:
			s.ack(a)
		default:
			return
		}
	}
}

// unacked gives the items that were published and not acknowledged.
func (s *session) unacked() []*flight {
	var all []*flight
	for _, f := range s.flights {
		if !f.acked && !f.held {
			all = append(all, f)
		}
	}
	return all
}

// look gives up what has waited too long, so that fill sends it again.
func (s *session) look() {
	if s.age() >= s.pace.steady {
		s.kicks = 0
		s.setProblem(func(p *problems) { p.rival = "" })
	}
	now, late := s.monotonic(), 0
	for id, f := range s.flights {
		if now < f.until {
			continue
		}
		if !f.held {
			late++
		}
		s.land(id)
	}
	if late > 0 {
		s.Log.Warn("no receipt came in time; sending again", "items", late)
		s.setProblem(func(p *problems) { p.busy = fmt.Sprintf("central has not answered within %s", s.pace.receipt) })
	}
}

// land takes an item from those on their way.
func (s *session) land(id part64) {
	f := s.flights[id]
	if f != nil && !f.acked {
		s.window.used -= f.bytes
	}
	delete(s.flights, id)
}

func (s *session) publishStatus() {
	status := s.Status()
	s.sendStatus(wire.FromStatus(&status), func(error) {})
}

func (s *session) sendStatus(m *wire.Status, acked func(error)) {
	m.Device = s.Device
	payload, err := wire.Marshal(m)
	if err != nil {
		s.Log.Error("the status could not be published", "error", err)
		return
	}
	s.link.Publish(wire.TopicStatus(s.Device), true, payload, acked)
}

// farewellWait is how long the last status may take.
const farewellWait = 2 * time.Second

// farewell leaves the status that the last will would.
func (s *session) farewell() {
	status := s.Status()
	m := wire.FromStatus(&status)
	m.Offline = true
	done := make(chan struct{})
	s.sendStatus(m, func(error) { close(done) })
	timeout := time.NewTimer(farewellWait)
	defer timeout.Stop()
	for {
		select {
		case <-done:
			return
		case <-timeout.C:
			return
		case a := <-s.acks:
			s.ack(a)
		case m := <-s.inbox:
			s.take(m)
		}
	}
}

// told is a receipt to pass on once the buffer has acted on it.
type told struct {
	key           nrd.Key
	kind, outcome string
}

// take handles a message with all that came with it, so that many receipts share
// a commit of the buffer.
func (s *session) take(m message) {
	var r receipts
	for {
		s.handle(m, &r)
		if len(r.tell) >= imageWindow {
			break
		}
		select {
		case m = <-s.inbox:
			continue
		default:
		}
		break
	}
	s.settle(&r)
}

func (s *session) handle(m message, r *receipts) {
	if m.topic == wire.TopicNoticeLists {
		s.notice(m.payload)
		return
	}
	_, kind, err := wire.ParseTopic(m.topic)
	if err == nil {
		switch m.topic {
		case wire.TopicReceipt(s.Device):
			err = s.receipt(m.payload, r)
		case wire.TopicCommand(s.Device):
			err = s.command(m.payload)
		}
	}
	if err != nil {
		s.Log.Warn("a message of central was not understood", "kind", kind, "error", err)
	}
}

// notice passes on that something new is published.
func (s *session) notice(payload []byte) {
	var m wire.Notice
	if err := wire.Unmarshal(payload, &m); err != nil {
		s.Log.Warn("a notice was not understood", "error", err)
		return
	}
	if s.OnNotice != nil {
		s.OnNotice(m.GetNumber())
	}
}

func (s *session) command(payload []byte) error {
	var m wire.Command
	if err := wire.Unmarshal(payload, &m); err != nil {
		return err
	}
	switch what := m.GetWhat().(type) {
	case *wire.Command_Paused:
		s.paused = true
		reason := what.Paused.GetReason()
		s.Log.Warn("central has paused this device", "reason", reason)
		s.setProblem(func(p *problems) { p.paused = reason })
	case *wire.Command_Resumed:
		s.paused = false
		s.Log.Info("central has resumed this device")
		s.setProblem(func(p *problems) { p.paused = "" })
	case *wire.Command_Signed:
		if s.OnOrder != nil {
			s.OnOrder(what.Signed)
		}
	}
	return nil
}
