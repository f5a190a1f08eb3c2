package ingest

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"nrd"
	"nrd/collector/store"
	"nrd/collector/store/storetest"
	"nrd/uplink/wire"
)

const bootID = "5f0c1e64-0000-4000-8000-000000000001"

// stamped makes a record's messages with another stamp.
func stamped(t *testing.T, sequence uint64, stamp nrd.Stamp) payloads {
	t.Helper()
	p := payloadsOf(t, "unit-1", sequence, storetest.Noon)
	p.record.Captured = stamp
	p.text = marshal(t, wire.FromRecord(&p.record))
	return p
}

// unproved is a stamp of a clock that shows this while nothing vouches for it.
func unproved(shows time.Time, monotonic time.Duration) nrd.Stamp {
	return nrd.Stamp{UTC: shows, Source: nrd.ClockUnknown, BootID: bootID, Monotonic: monotonic}
}

// anchored makes the event that says what time it was so long after the boot.
func anchored(t testing.TB, sequence uint64, monotonic time.Duration, utc time.Time) []byte {
	t.Helper()
	key := nrd.Key{Device: "unit-1", Epoch: 7, Sequence: sequence}
	return marshal(t, &wire.Event{Key: wire.FromKey(key), AtNs: utc.UnixNano(), What: wire.FromCorrection(nrd.Correction{
		BootID: bootID, Monotonic: monotonic, UTC: utc, ClockError: -time.Hour, Source: nrd.ClockGPS,
	})})
}

// says publishes a status with this clock and waits until central has it.
func (u *unit) says(t *testing.T, c *central, clock nrd.Stamp) {
	t.Helper()
	at := clock.UTC
	u.send(t, wire.TopicStatus(u.name), marshal(t, wire.FromStatus(&nrd.Status{Device: u.name, At: at, Clock: clock})))
	c.clock.Advance(time.Minute)
	eventually(t, "the status is held", func() bool {
		d, err := c.store.Device(context.Background(), u.name)
		return err == nil && d.Status != nil && d.Status.At.Equal(at)
	})
}

func (c *central) held(t *testing.T, key nrd.Key) *store.StoredRecord {
	t.Helper()
	r, err := c.store.Record(context.Background(), key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestARecordWithoutATimeWaitsInQuarantineForItsCorrection(t *testing.T) {
	c := start(t)
	var shown atomic.Int32
	c.OnStored = func(r store.StoredRecord) {
		if r.Correction != nil {
			shown.Add(1)
		}
	}
	c.run(t)
	c.approve(t, "unit-1")
	u := c.connect(t, "unit-1")
	p := stamped(t, 1, unproved(time.Unix(3600, 0).UTC(), time.Hour))
	p.send(t, u)
	for _, payload := range [][]byte{p.text, p.patch, p.overview} {
		if r := u.receipt(t, payload, wire.Receipt_QUARANTINED); r.GetKind() == "record" && !strings.Contains(r.GetReason(), "not proved") {
			t.Errorf("the reason is %q", r.GetReason())
		}
	}
	event := anchored(t, 2, 26*time.Hour, storetest.Noon)
	u.send(t, wire.TopicEvent("unit-1"), event)
	u.receipt(t, event, wire.Receipt_STORED)

	want := storetest.Noon.Add(-25 * time.Hour)
	r := c.held(t, p.record.Key)
	if !r.Time().Equal(want) || r.Correction.Source != nrd.ClockGPS || !strings.HasSuffix(r.Correction.By, "/2") || r.Correction.Quarantined == "" {
		t.Errorf("filed under %s by %+v, want %s", r.Time(), r.Correction, want)
	}
	if r.Captured != p.record.Captured {
		t.Errorf("the unit's own stamp became %+v", r.Captured)
	}
	if !r.HasPatch || !r.HasOverview || shown.Load() != 1 {
		t.Errorf("patch %v, overview %v, shown %d times", r.HasPatch, r.HasOverview, shown.Load())
	}
	if n := c.totals(t); n.Quarantined != 0 || n.Records != 1 {
		t.Errorf("the store holds %+v", n)
	}
	found, err := c.store.Search(context.Background(), store.Query{From: want.Truncate(24 * time.Hour), To: want.Truncate(24 * time.Hour).Add(24 * time.Hour)})
	if err != nil || len(found) != 1 {
		t.Errorf("a search of the right day finds %d, %v", len(found), err)
	}
}

func TestAClockThatJumpsTenYearsChangesNoOrderAndLosesNothing(t *testing.T) {
	c := start(t).run(t)
	c.approve(t, "unit-1")
	u := c.connect(t, "unit-1")
	event := anchored(t, 100, time.Hour, storetest.Noon)
	u.send(t, wire.TopicEvent("unit-1"), event)
	u.receipt(t, event, wire.Receipt_STORED)
	for i, years := range []int{0, 10, -10, 10, 0} {
		monotonic := time.Hour + time.Duration(i)*time.Minute
		p := stamped(t, uint64(i+1), unproved(storetest.Noon.AddDate(years, 0, 0).Add(-time.Duration(i)*time.Second), monotonic))
		u.send(t, wire.TopicRecord("unit-1"), p.text)
		u.receipt(t, p.text, wire.Receipt_STORED)
	}
	found, err := c.store.Search(context.Background(), store.Query{})
	if err != nil || len(found) != 5 {
		t.Fatalf("%d records, %v", len(found), err)
	}
	for i, r := range found { // newest first
		at := 4 - i
		if want := storetest.Noon.Add(time.Duration(at) * time.Minute); r.Key.Sequence != uint64(at+1) || !r.Time().Equal(want) {
			t.Errorf("in place %d is sequence %d at %s, want %d at %s", i, r.Key.Sequence, r.Time(), at+1, want)
		}
	}
}

func TestAUnitThatIsHeardGetsItsTimeFromCentralUntilItHasABetterOne(t *testing.T) {
	c := start(t).run(t)
	c.approve(t, "unit-1")
	u := c.connect(t, "unit-1")
	now := c.clock.Now()
	u.says(t, c, unproved(time.Unix(90, 0).UTC(), time.Hour))
	wrong := stamped(t, 1, unproved(time.Unix(60, 0).UTC(), time.Hour-30*time.Second))
	u.send(t, wire.TopicRecord("unit-1"), wrong.text)
	u.receipt(t, wrong.text, wire.Receipt_STORED)
	if r := c.held(t, wrong.record.Key); !r.Time().Equal(now.Add(-30*time.Second)) || r.Correction.Source != nrd.ClockCentral {
		t.Errorf("filed under %s by %+v", r.Time(), r.Correction)
	}
	// A clock that is right within what central can know is left as it is.
	shows := now.Add(-10*time.Second + 123*time.Millisecond)
	right := stamped(t, 2, unproved(shows, time.Hour-10*time.Second))
	u.send(t, wire.TopicRecord("unit-1"), right.text)
	u.receipt(t, right.text, wire.Receipt_STORED)
	if r := c.held(t, right.record.Key); !r.Time().Equal(shows) || r.Correction == nil {
		t.Errorf("filed under %s by %+v, the unit showed %s", r.Time(), r.Correction, shows)
	}
	better := anchored(t, 3, 10*time.Hour, now.Add(9*time.Hour-20*time.Second))
	u.send(t, wire.TopicEvent("unit-1"), better)
	u.receipt(t, better, wire.Receipt_STORED)
	next := stamped(t, 4, unproved(time.Unix(60, 0).UTC(), time.Hour))
	u.send(t, wire.TopicRecord("unit-1"), next.text)
	u.receipt(t, next.text, wire.Receipt_STORED)
	if r := c.held(t, next.record.Key); !r.Time().Equal(now.Add(-20*time.Second)) || r.Correction.Source != nrd.ClockGPS {
		t.Errorf("filed under %s by %+v", r.Time(), r.Correction)
	}
}

func TestAProvedClockThatKnowsItsErrorIsFiledWithoutIt(t *testing.T) {
	c := start(t).run(t)
	c.approve(t, "unit-1")
	u := c.connect(t, "unit-1")
	for i, ahead := range []time.Duration{30 * 24 * time.Hour, -3 * time.Hour, 20 * time.Millisecond} {
		p := stamped(t, uint64(i+1), nrd.Stamp{UTC: storetest.Noon.Add(ahead), ClockError: ahead, Source: nrd.ClockGPS, Proved: true, BootID: bootID, Monotonic: time.Hour})
		u.send(t, wire.TopicRecord("unit-1"), p.text)
		u.receipt(t, p.text, wire.Receipt_STORED)
		want := storetest.Noon
		if ahead < time.Second && ahead > 0 {
			want = want.Add(ahead) // frozen at capture: such an error is shown, not taken off
		}
		if r := c.held(t, p.record.Key); !r.Time().Equal(want) {
			t.Errorf("%s ahead is filed under %s", ahead, r.Time())
		}
	}
}

func TestFootageGoesByTheFilesTime(t *testing.T) {
	c := start(t).run(t)
	c.approve(t, "unit-1")
	u := c.connect(t, "unit-1")
	p := stamped(t, 1, nrd.Stamp{UTC: storetest.Noon.AddDate(-1, 0, 0), Source: nrd.ClockFile})
	u.send(t, wire.TopicRecord("unit-1"), p.text)
	u.receipt(t, p.text, wire.Receipt_STORED)
	if r := c.held(t, p.record.Key); r.Correction != nil {
		t.Errorf("it was corrected: %+v", r.Correction)
	}
}

func TestACorrectionToAnImpossibleTimeReleasesNothing(t *testing.T) {
	c := start(t).run(t)
	c.approve(t, "unit-1")
	u := c.connect(t, "unit-1")
	for i, anchor := range []time.Time{storetest.Noon.AddDate(10, 0, 0), storetest.Noon.AddDate(-10, 0, 0)} {
		first := stamped(t, uint64(10*i+1), unproved(storetest.Noon, time.Hour))
		u.send(t, wire.TopicRecord("unit-1"), first.text)
		u.receipt(t, first.text, wire.Receipt_QUARANTINED)
		event := anchored(t, uint64(10*i+2), time.Hour+time.Duration(i), anchor)
		u.send(t, wire.TopicEvent("unit-1"), event)
		u.receipt(t, event, wire.Receipt_STORED)
	}
	if n := c.totals(t); n.Records != 0 || n.Quarantined != 2 {
		t.Errorf("the store holds %+v", n)
	}
}

func TestAReleaseThatACrashCutOffIsDoneWhenTheUnitIsHeard(t *testing.T) {
	c := start(t)
	p := stamped(t, 1, unproved(time.Unix(60, 0).UTC(), time.Hour))
	item := storetest.Items(p.record, storetest.Noon)[0]
	item.Quarantine = "the unit's clock was not proved"
	if _, err := c.store.Insert(context.Background(), []store.Item{item}); err != nil {
		t.Fatal(err)
	}
	var m wire.Event
	if err := proto.Unmarshal(anchored(t, 2, time.Hour, storetest.Noon), &m); err != nil {
		t.Fatal(err)
	}
	correction, _, err := wire.ToCorrection(&m)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.store.PutAnchor(context.Background(), store.Anchor{Correction: correction, Device: "unit-1", By: "its event", At: storetest.Noon}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	c.run(t)
	c.approve(t, "unit-1")
	u := c.connect(t, "unit-1")
	u.says(t, c, nrd.Stamp{UTC: c.clock.Now(), Source: nrd.ClockNTP, Proved: true, BootID: bootID, Monotonic: 2 * time.Hour})
	eventually(t, "the record is released", func() bool { return c.totals(t).Records == 1 })
}

func TestAPersonsTimeOfAStartHoldsForItsRecordsThatAreStillToCome(t *testing.T) {
	c := start(t).run(t)
	c.approve(t, "unit-1")
	u := c.connect(t, "unit-1")
	first := stamped(t, 1, unproved(time.Unix(60, 0).UTC(), time.Hour))
	u.send(t, wire.TopicRecord("unit-1"), first.text)
	u.receipt(t, first.text, wire.Receipt_QUARANTINED)
	err := c.store.PutAnchor(context.Background(), store.Anchor{Device: "unit-1", By: "jane.doe", Reason: "CCTV", At: storetest.Noon, Correction: nrd.Correction{
		BootID: bootID, Monotonic: time.Hour, UTC: storetest.Noon, Source: nrd.ClockPerson,
	}}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	next := stamped(t, 2, unproved(time.Unix(120, 0).UTC(), time.Hour-time.Minute))
	u.send(t, wire.TopicRecord("unit-1"), next.text)
	u.receipt(t, next.text, wire.Receipt_STORED)
	if r := c.held(t, next.record.Key); !r.Time().Equal(storetest.Noon.Add(-time.Minute)) || r.Correction.By != "jane.doe" {
		t.Errorf("filed under %s by %+v", r.Time(), r.Correction)
	}
}

func TestADeviceThatIsNotApprovedTeachesCentralNoTime(t *testing.T) {
	c := start(t).run(t)
	u := c.connect(t, "unit-1")
	u.says(t, c, unproved(time.Unix(90, 0).UTC(), time.Hour))
	if anchors, err := c.store.Anchors(context.Background(), "unit-1", bootID); err != nil || len(anchors) != 0 {
		t.Errorf("it taught %+v, %v", anchors, err)
	}
}

func TestOneCorrectionFreesAThousandRecords(t *testing.T) {
	c := start(t)
	var items []store.Item
	for i := range 1000 {
		item := storetest.Items(stamped(t, uint64(i+1), unproved(time.Unix(60, 0).UTC(), time.Duration(i)*time.Minute)).record, storetest.Noon)[0]
		item.Quarantine = "the unit's clock was not proved"
		items = append(items, item)
	}
	if _, err := c.store.Insert(context.Background(), items); err != nil {
		t.Fatal(err)
	}
	c.run(t)
	c.approve(t, "unit-1")
	u := c.connect(t, "unit-1")
	event := anchored(t, 2000, 1000*time.Minute, storetest.Noon)
	u.send(t, wire.TopicEvent("unit-1"), event)
	u.receipt(t, event, wire.Receipt_STORED)
	if n := c.totals(t); fmt.Sprint(n.Records, n.Quarantined) != "1000 0" {
		t.Errorf("the store holds %+v", n)
	}
}
