package console

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"nrd"
	"nrd/collector/store"
	"nrd/uplink/wire"
)

// acted stores an officer's disposition, as ingest does.
func (d *desk) acted(t *testing.T, record nrd.Key, disposition nrd.Disposition) {
	t.Helper()
	e := nrd.OfficerEvent{
		Action: nrd.OfficerActed, Disposition: disposition, At: d.clock.Now(), Role: "observer", Record: record, VRM: "AB12CDE", Lists: []string{"national"},
		Officer: nrd.Officer{Collar: "4417", Authoriser: "Insp Grey", Reference: "2026/11/23-0417", Since: d.clock.Now().Add(-time.Hour)},
	}
	d.told(t, e)
}

// told stores an event of a unit's screen and shows it, as ingest does.
func (d *desk) told(t *testing.T, e nrd.OfficerEvent) {
	t.Helper()
	m := wire.FromOfficerEvent(e)
	d.serial++
	key := nrd.Key{Device: e.Record.Device, Epoch: e.Record.Epoch, Sequence: d.serial}
	m.Key = wire.FromKey(key)
	payload, err := wire.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	item := store.Item{Key: key, Kind: store.KindEvent, Digest: wire.Digest(payload), Received: e.At, Event: payload, Officer: &e, Filed: e.At}
	if _, err := d.Store.Insert(t.Context(), []store.Item{item}); err != nil {
		t.Fatal(err)
	}
	d.OfficerStored(e)
}

func TestWhatOfficersDidIsShownWithTheRecordInSearchAndLive(t *testing.T) {
	d := newDesk(t)
	key := d.record(t, sighting{vrm: "AB12CDE", camera: "A1", hits: []nrd.Hit{hit("national", nrd.PriorityHigh, time.Hour, d.clock.Now())}})
	b := d.signedIn(t, "ros.kerr")
	if _, page := b.get("/live"); strings.Contains(page, "stopped") {
		t.Error("the live view shows an outcome already")
	}
	d.acted(t, key, nrd.DispositionStopped)
	if _, page := b.get("/live"); strings.Count(page, "stopped by 4417") != 2 {
		t.Error("the live view does not show the outcome in both places")
	}
	_, page := b.post("/search", "reason", "incident 7")
	if !strings.Contains(page, "stopped by 4417") {
		t.Error("the search does not show the outcome")
	}
	status, page := b.post("/record/"+key.String(), "reason", "incident 7")
	for _, want := range []string{"In the vehicle", "stopped by 4417", "2026/11/23-0417", "Insp Grey", "national"} {
		if status != http.StatusOK || !strings.Contains(page, want) {
			t.Errorf("the record does not show %q", want)
		}
	}
	again := &Console{Access: d.Access, Fleet: d.Fleet, Lists: d.Lists, Store: d.Store, Profile: d.Profile, Zone: d.Zone, Clock: d.Clock, Log: d.Log}
	if err := again.Initialize(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again.feed.outcome(key) != "stopped by 4417" {
		t.Error("after a restart of central the live view does not know the outcome")
	}
}
