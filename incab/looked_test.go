package incab

import (
	"net/http"
	"testing"
	"time"

	"nrd"
)

func TestALiveGatewayMakesAStaleHitOneToActOnAndTakesItBackVisibly(t *testing.T) {
	c := newCab(t)
	b := c.onDutyAt("observer", "1234")
	lines := c.stream(b)
	rec := c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh, func(h *nrd.Hit) { h.Freshness = nrd.Stale }))
	c.Recorded(rec)
	sees(t, lines, "the stale hit", has(`"verify":true`, `"sound":"notice"`, `"sounds":1`))
	c.Looked(rec, []nrd.Hit{hit("AB12CDE", nrd.PriorityHigh, func(h *nrd.Hit) { h.Live = true })}, "force live", Telling{Times: 1})
	sees(t, lines, "that it may be acted on", has(`"verify":false`, `"sound":"high"`, `"sounds":2`, `"live":true`))
	if status, _ := c.post(b, "/acknowledge", "number", "1"); status != http.StatusOK {
		t.Fatal(status)
	}
	c.Looked(rec, nil, "force live", Telling{})
	sees(t, lines, "that it is withdrawn, also for who has acknowledged it", has(`"withdrawn":true`, `"seen":false`, `"sound":"notice"`, "says force live"))
	if status, _ := c.post(b, "/acknowledge", "number", "1"); status != http.StatusOK {
		t.Errorf("the withdrawal is acknowledged: %d", status)
	}
	c.Looked(c.record("XY34ZZZ"), nil, "force live", Telling{})
	other := c.record("XY34ZZZ")
	c.Looked(other, []nrd.Hit{hit("XY34ZZZ", nrd.PriorityLow, func(h *nrd.Hit) { h.Live = true })}, "force live", Telling{Times: 1, Now: true})
	sees(t, lines, "a hit that only the gateway has", has(`"number":2`, "XY34 ZZZ", `"sound":"low"`))
	if status, _ := c.post(b, "/disposition", "number", "2", "disposition", "stopped"); status != http.StatusOK {
		t.Errorf("its disposition: %d", status)
	}
	if e := c.events(); e[len(e)-1].Record != other.Key || e[len(e)-1].Lists[0] != "national" {
		t.Errorf("told %+v", e[len(e)-1])
	}
}

func TestAParkedCarThatALiveGatewayTookBackIsNotToldAgainWithEachRead(t *testing.T) {
	c := newCab(t)
	b := c.onDutyAt("observer", "1234")
	listed, live := hit("AB12CDE", nrd.PriorityHigh), hit("AB12CDE", nrd.PriorityHigh, func(h *nrd.Hit) { h.Live = true })
	rec := c.record("AB12CDE", listed)
	c.Recorded(rec)
	c.Looked(rec, nil, "force live", Telling{})
	c.hand.Advance(61 * time.Second) // the gateway's answer holds no longer
	for range 2 {
		rec = c.record("AB12CDE", listed)
		c.Recorded(rec, Telling{Times: 2})
		c.Looked(rec, nil, "force live", Telling{})
	}
	a := c.alerts()
	if len(a) != 1 || !a[0].Withdrawn || a[0].Sounds != 2 || a[0].Sound != "notice" || a[0].Times != 2 {
		t.Fatalf("the queue is %+v", a)
	}
	if status, _ := c.post(b, "/acknowledge", "number", "1"); status != http.StatusOK {
		t.Fatal(status)
	}
	c.Recorded(c.record("AB12CDE", listed), Telling{Times: 3})
	if a := c.alerts(); len(a) != 1 || a[0].Sound != "" || !a[0].Over || a[0].Why == "" {
		t.Fatalf("after it was acknowledged: %+v", a)
	}
	rec = c.record("AB12CDE", listed)
	c.Recorded(rec, Telling{Times: 4})
	c.Looked(rec, []nrd.Hit{live}, "force live", Telling{Times: 4})
	if a := c.alerts(); len(a) != 2 || a[0].Number != 2 || a[0].Sound != "high" {
		t.Fatalf("of interest again: %+v", a)
	}
	c.Looked(rec, nil, "force live", Telling{})
	c.Recorded(c.record("AB12CDE", listed), Telling{Times: 5, Now: true})
	if a := c.alerts(); len(a) != 3 || a[0].Number != 3 || a[0].Sound != "high" {
		t.Errorf("seen again far away: %+v", a)
	}
}

func TestAfterAMisreadTheVehicleItselfIsTold(t *testing.T) {
	c := newCab(t)
	early := c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh))
	c.Provisional(early)
	other := *early
	other.Read.VRM, other.Hits = "AB12CDF", nil
	c.Recorded(&other)
	c.Recorded(c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh)), Telling{Times: 2})
	if a := c.alerts(); len(a) != 2 || a[0].Sound != "high" || a[0].Withdrawn {
		t.Errorf("the queue is %+v", a)
	}
}

func TestAnEntryThatALiveGatewayTakesBackStaysVisiblyWithdrawnBesideTheOthers(t *testing.T) {
	c := newCab(t)
	b := c.onDutyAt("observer", "1234")
	high := hit("AB12CDE", nrd.PriorityHigh)
	low := hit("AB12CDE", nrd.PriorityLow, func(h *nrd.Hit) { h.List.List, h.Entry.List, h.Entry.Reason = "local", "local", "Seen at a burglary" })
	rec := c.record("AB12CDE", high, low)
	c.Recorded(rec)
	if status, _ := c.post(b, "/acknowledge", "number", "1"); status != http.StatusOK {
		t.Fatal(status)
	}
	c.Looked(rec, []nrd.Hit{low}, "force live", Telling{Times: 1, Now: true})
	partly := func(what string) {
		t.Helper()
		a := c.alerts()
		if len(a) != 1 || a[0].Withdrawn || !a[0].Partly || a[0].Priority != "low" || len(a[0].Entries) != 2 || a[0].Entries[0].Gone != "" {
			t.Fatalf("%s: %+v", what, a)
		}
		if e := a[0].Entries[1]; e.Reason != "Stolen in a burglary" || e.Gone != "no longer of interest, says force live" {
			t.Fatalf("%s: the entry that is gone: %+v", what, e)
		}
	}
	partly("taken back")
	if a := c.alerts()[0]; a.Seen || a.Sound != "notice" || a.Sounds != 2 {
		t.Errorf("who has acknowledged it is not asked again: %+v", a)
	}
	c.hand.Advance(61 * time.Second)
	again := c.record("AB12CDE", high, low)
	c.Recorded(again, Telling{Times: 2})
	c.Looked(again, []nrd.Hit{low}, "force live", Telling{Times: 2})
	partly("read again by the list on the unit")
	if a := c.alerts()[0]; a.Sounds != 2 || a.Times != 2 {
		t.Errorf("it is told again: %+v", a)
	}
	c.stop()
	c.start()
	partly("after a restart")
	c.Looked(again, []nrd.Hit{hit("AB12CDE", nrd.PriorityHigh, func(h *nrd.Hit) { h.Live = true }), low}, "force live", Telling{Times: 2})
	if a := c.alerts()[0]; a.Partly || a.Sound != "high" || len(a.Entries) != 2 {
		t.Errorf("of interest again: %+v", a)
	}
}

func TestWhatStandsAndNobodyHasAcknowledgedGoesOnSounding(t *testing.T) {
	c := newCab(t)
	high := hit("AB12CDE", nrd.PriorityHigh)
	low := hit("AB12CDE", nrd.PriorityLow, func(h *nrd.Hit) { h.List.List = "local" })
	rec := c.record("AB12CDE", high, low)
	c.Recorded(rec)
	c.Looked(rec, []nrd.Hit{high}, "force live", Telling{Times: 1})
	if a := c.alerts()[0]; !a.Partly || a.Sound != "high" {
		t.Errorf("without the low one: %+v", a)
	}
}

func TestALiveEntryWithoutAReferenceIsTheListsOwn(t *testing.T) {
	c := newCab(t)
	rec := c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh, func(h *nrd.Hit) { h.Entry.Reference = "7" }))
	c.Recorded(rec)
	c.Looked(rec, []nrd.Hit{hit("AB12CDE", nrd.PriorityHigh, func(h *nrd.Hit) { h.Live = true })}, "force live", Telling{Times: 1})
	if a := c.alerts(); len(a) != 1 || a[0].Partly || a[0].Sounds != 1 {
		t.Errorf("the queue is %+v", a)
	}
}
