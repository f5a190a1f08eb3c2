package agent

import (
	"slices"
	"testing"
	"time"

	"nrd"
	"nrd/hotlist/live"
	"nrd/uplink"
	"nrd/uplink/wire"
)

// TestAnExactHitThatIsGoneIsMissedThoughANearOneOfItsListStays is about a list whose
// entries have no references.
func TestAnExactHitThatIsGoneIsMissedThoughANearOneOfItsListStays(t *testing.T) {
	exact := nrd.Hit{List: nrd.ListVersion{List: "local"}, Entry: nrd.Entry{List: "local", VRM: "NE41RLY"}, Match: nrd.MatchExact}
	near := nrd.Hit{List: nrd.ListVersion{List: "local"}, Entry: nrd.Entry{List: "local", VRM: "NE4IRLY"}, Match: nrd.MatchNear}
	before := []nrd.Hit{exact, near}
	answer := live.Answer{Gateway: "force live", Lists: []string{"local"}}
	if gone := listsOf(hitsWithout(before, answer.Over(before))); !slices.Equal(gone, []string{"local"}) {
		t.Errorf("gone %q", gone)
	}
	exact.Live = true
	if come := listsOf(hitsWithout([]nrd.Hit{exact, near}, []nrd.Hit{near})); !slices.Equal(come, []string{"local"}) {
		t.Errorf("come %q", come)
	}
}

// fromUnit gives the events of the unit itself that wait for central.
func fromUnit(t *testing.T, b *uplink.Buffer) []nrd.OfficerEvent {
	t.Helper()
	var told []nrd.OfficerEvent
	must(t, b.Each(func(e uplink.Entry) error {
		var m wire.Event
		if e.Kind != "event" {
			return nil
		}
		must(t, wire.Unmarshal(e.Payload, &m))
		event, ok, err := wire.ToOfficerEvent(&m)
		if ok && event.Role == nrd.RoleUnit {
			told = append(told, event)
		}
		return err
	}))
	return told
}

func TestCentralIsToldWhichEntriesALiveGatewayTookBackAndWhichItAdded(t *testing.T) {
	a := newAgent(t, newSite(t).unit(), nil)
	a.tally = newTally(a.Clock, nil, a.Config.Match)
	must(t, a.open())
	t.Cleanup(func() { must(t, a.close()) })
	of := func(reference string) nrd.Hit {
		return nrd.Hit{List: nrd.ListVersion{List: "local"}, Match: nrd.MatchExact, Entry: nrd.Entry{List: "local", VRM: "AB12CDE", Reference: reference}}
	}
	rec := &nrd.Record{Captured: a.Clock.Stamp(), Read: nrd.Read{VRM: "AB12CDE", Raw: "AB12CDE", Confidence: 95}, Hits: []nrd.Hit{of("1"), of("2")}}
	var err error
	rec.Key, err = a.buffer.Append(rec)
	must(t, err)
	a.looked(rec, live.Answer{Gateway: "force live", At: time.Now(), Lists: []string{"local"}, Entries: []live.Entry{
		{List: "local", VRM: "AB12CDE", Priority: "high", Reference: "2"}, {List: "local", VRM: "AB12CDE", Priority: "high", Reference: "3", Reason: "Stolen today"},
	}})
	told := fromUnit(t, a.buffer)
	if len(told) != 2 {
		t.Fatalf("central is told %+v", told)
	}
	back, more := told[0], told[1]
	if back.Action != nrd.OfficersWithdrawn || len(back.Told) != 1 || back.Told[0].Entry.Reference != "1" || back.Record != rec.Key {
		t.Errorf("taken back: %+v", back)
	}
	if more.Action != nrd.OfficersAlerted || len(more.Told) != 1 || more.Told[0].Entry.Reference != "3" || more.Told[0].Entry.Reason != "Stolen today" || !more.Told[0].Live {
		t.Errorf("added: %+v", more)
	}
}

func TestAListWhoseEntryALiveGatewayGivesWithoutAReferenceNeitherLosesNorGainsOne(t *testing.T) {
	of := func(list, reference string, live bool) nrd.Hit {
		return nrd.Hit{List: nrd.ListVersion{List: list}, Entry: nrd.Entry{List: list, Reference: reference}, Live: live}
	}
	before := []nrd.Hit{of("national", "7", false), of("local", "3", false)}
	now := []nrd.Hit{of("national", "", true), of("local", "4", true)}
	gone, come := hitsWithout(before, now), hitsWithout(now, before)
	if len(gone) != 1 || gone[0].Entry.Reference != "3" || len(come) != 1 || come[0].Entry.Reference != "4" {
		t.Errorf("gone %+v, come %+v", gone, come)
	}
	if got := listsOf(append(gone, come...)); !slices.Equal(got, []string{"local"}) {
		t.Errorf("they are of the lists %q", got)
	}
}
