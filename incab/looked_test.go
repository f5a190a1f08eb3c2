package incab

import (
	"net/http"
	"testing"

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
