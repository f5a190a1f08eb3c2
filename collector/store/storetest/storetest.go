// Package storetest holds implementations of [store.Store] to their contract:
//
//	func TestStore(t *testing.T) { storetest.Run(t, storetest.Subject{Open: …}) }
package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"nrd"
	"nrd/collector/store"
	"nrd/uplink/wire"
)

// Subject is the implementation under test.
type Subject struct {
	// Open opens the store in a folder, or makes it there. The suite closes it
	// and may open it again.
	Open func(t *testing.T, dir string) store.Store
	// ChangeLine and RemoveLine alter the access log of an open store behind
	// its back: the reason of a line, or the whole line.
	ChangeLine, RemoveLine func(t *testing.T, s store.Store, sequence uint64)
}

// Run tests the whole contract.
func Run(t *testing.T, s Subject) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Subject)
	}{
		{"ARecordComesBackAsItWasStored", comesBack},
		{"StoringAgainChangesNothing", storesOnce},
		{"TheSameKeyWithOtherContentIsSetAside", conflicts},
		{"WhatIsQuarantinedStaysSo", quarantines},
		{"AnImageMayComeBeforeItsRecord", imageFirst},
		{"AnImageThatIsNotAnnouncedIsSetAside", imageNotAnnounced},
		{"AnEventIsStoredOnce", events},
		{"WhatOfficersDidIsFoundByRecordAndByWhoDidIt", officers},
		{"WhatOfficersDidIsFoundWhereverItsRecordIs", officersElsewhere},
		{"DispositionsAreCountedByList", dispositions},
		{"OneBatchMayHoldTheSameItemTwice", twiceInABatch},
		{"SearchFindsByPattern", searchPatterns},
		{"AnUnreadPlateIsFoundByNoPattern", searchUnread},
		{"SearchKeepsToItsBounds", searchBounds},
		{"SearchRefusesWhatCannotBeMeant", searchErrors},
		{"LateRecordsGoToTheirOwnDay", lateRecords},
		{"LatestGoesByReceipt", latest},
		{"AReleasedRecordGoesToItsRightDay", releases},
		{"ImagesMayComeAfterTheirRecordsRelease", lateImages},
		{"ARecordWhoseKeyIsHeldStaysInQuarantine", releaseOfHeldKey},
		{"ARecordIsFiledByItsCorrection", correctedAtInsert},
		{"UnprovedRecordsAreFoundByTheStartOfTheirUnit", unprovedByStart},
		{"AnchorsAreAppended", anchors},
		{"TotalsCount", totals},
		{"EverythingIsThereAfterOpeningAgain", reopen},
		{"ManyMayUseItAtOnce", concurrently},
		{"AccountsAreKeptWhenRemoved", accounts},
		{"TheAccessLogIsAChain", accessLog},
		{"AnAlteredAccessLogShows", accessLogAltered},
		{"DevicesAreApprovedAndSeen", devices},
		{"ChangesOfADeviceDoNotUndoEachOther", devicesAtOnce},
		{"AnAlarmIsRaisedOnceAndCleared", alarms},
		{"TrafficIsKeptByTheHour", traffic},
		{"ListsAreKept", listsAreKept},
		{"EntriesOfAListChangeInOneStep", entriesOfAList},
		{"ImportsAreKeptWithTheirReports", importsAreKept},
		{"AHitAlarmIsRaisedOnceWhoeverSawIt", hitsAreRaisedOnce},
		{"AHitOfAGatewayThatNamesNoReferenceIsTheListsOwn", aGatewaysHitIsTheListsOwn},
		{"TheMostUrgentHitAlarmsAreFoundFirst", urgentHitsFirst},
		{"WhoAcknowledgedAHitAlarmFirstStays", hitsAreAcknowledgedOnce},
		{"RecordsAreFoundByTheirReceipt", receivedSince},
		{"ABackupIsAStoreOfThatMoment", backup},
		{"ABackupOverwritesNothing", backupNotEmpty},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, s)
		})
	}
}

// Noon is when the suite's records are captured, unless they say otherwise.
var Noon = time.Date(2026, 11, 20, 12, 0, 0, 123456789, time.UTC)

// Record makes a complete record with images whose bytes depend on the key and
// that are as large as the national caps allow.
func Record(device string, sequence uint64, vrm nrd.VRM, captured time.Time) nrd.Record {
	r := nrd.Record{
		Key:      nrd.Key{Device: device, Epoch: 0xfedcba9876543210, Sequence: sequence},
		Camera:   nrd.Camera{Feed: 1, Source: 2, Camera: 3, Name: "front"},
		Captured: nrd.Stamp{UTC: captured.UTC(), ClockError: 3 * time.Millisecond, Source: nrd.ClockGPS, Proved: true, BootID: "boot", Monotonic: time.Hour, ZoneOffset: time.Hour},
		Fix: nrd.Fix{Source: nrd.FixGPS, Latitude: 53.8, Longitude: -1.55, Satellites: 9, HDOP: 0.9, SpeedKnown: true, Speed: 12.5, Course: 271,
			Age: 200 * time.Millisecond, Time: captured.UTC().Truncate(time.Second)},
		Direction: nrd.DirectionTowards,
		Read: nrd.Read{VRM: vrm, Raw: "raw " + string(vrm), Confidence: 93, Characters: []int{99, 98, 97}, Syntax: "current", Repaired: true,
			Alternatives: []nrd.Alternative{{VRM: "AB12CDE", Confidence: 4}}, Engine: "net 1"},
		Passage: nrd.Passage{FirstFrame: 10, LastFrame: 30, Frame: 20, Frames: 21, FirstSeen: captured.UTC().Add(-time.Second), LastSeen: captured.UTC()},
		Plate:   nrd.Quad{{X: 1, Y: 2}, {X: 3, Y: 2}, {X: 3, Y: 4}, {X: 1, Y: 4}}, FrameWidth: 1920, FrameHeight: 1080,
		Profile: "nasple-2.4", Controller: "Example Police", Deployment: "LOG-1", Software: "1.0",
	}
	r.Patch = nrd.Image{JPEG: noise(r.Key, "patch", 3000), Width: 120, Height: 60}
	r.Overview = nrd.Image{JPEG: noise(r.Key, "overview", 25000), Width: 720, Height: 405}
	return r
}

// Hit marks a record as one that matched a list.
func Hit(r nrd.Record) nrd.Record {
	r.Hits = []nrd.Hit{{
		Entry: nrd.Entry{List: "local", VRM: r.Read.VRM, Priority: nrd.PriorityHigh, Markers: []string{"WE"}, Reference: "7"},
		List:  nrd.ListVersion{List: "local", Version: 4, Issued: r.Captured.UTC.Add(-time.Hour), Loaded: r.Captured.UTC.Add(-time.Minute), Entries: 100}, ListAge: time.Hour, Match: nrd.MatchExact,
	}}
	return r
}

// Items makes the three items of a record as they come from a device: the
// record, its patch and its overview.
func Items(r nrd.Record, received time.Time) []store.Item {
	m := wire.FromRecord(&r)
	payload, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err) // the suite's own records are whole
	}
	patch, overview := r.Patch, r.Overview
	r.Patch, r.Overview = nrd.Image{}, nrd.Image{}
	item := store.Item{Key: r.Key, Received: received.UTC()}
	record, first, second := item, item, item
	record.Kind, record.Record, record.Payload, record.Digest = store.KindRecord, &r, payload, wire.Digest(payload)
	copy(record.PatchDigest[:], m.GetPatch().GetSha256())
	copy(record.OverviewDigest[:], m.GetOverview().GetSha256())
	first.Kind, first.Image, first.Digest = store.KindPatch, patch, sha256.Sum256(patch.JPEG)
	second.Kind, second.Image, second.Digest = store.KindOverview, overview, sha256.Sum256(overview.JPEG)
	return []store.Item{record, first, second}
}

// noise is bytes of no pattern, so that finding them in a file proves something.
func noise(key nrd.Key, label string, n int) []byte {
	var b []byte
	for i := 0; len(b) < n; i++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d", key, label, i))
		b = append(b, sum[:]...)
	}
	return b[:n]
}

// open opens a new store that is closed at the test's end.
func open(t *testing.T, s Subject) store.Store {
	t.Helper()
	st := s.Open(t, t.TempDir())
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return st
}

// insert stores items and wants these outcomes, one for all or one each.
func insert(t *testing.T, s store.Store, items []store.Item, want ...store.Outcome) []store.Result {
	t.Helper()
	results, err := s.Insert(context.Background(), items)
	if err != nil {
		t.Fatalf("Insert: %v", err)
	}
	if len(results) != len(items) {
		t.Fatalf("%d results for %d items", len(results), len(items))
	}
	for i, r := range results {
		if outcome := want[min(i, len(want)-1)]; r.Outcome != outcome {
			t.Fatalf("item %d (%s of %s): outcome %d %q, want %d", i, items[i].Kind, items[i].Key, r.Outcome, r.Reason, outcome)
		}
	}
	return results
}

// add stores a record with its images.
func add(t *testing.T, s store.Store, r nrd.Record) nrd.Record {
	t.Helper()
	insert(t, s, Items(r, r.Captured.UTC.Add(time.Second)), store.Stored)
	return r
}

func search(t *testing.T, s store.Store, q store.Query) []store.StoredRecord {
	t.Helper()
	found, err := s.Search(context.Background(), q)
	if err != nil {
		t.Fatalf("Search %+v: %v", q, err)
	}
	return found
}

// vrms lists the marks of records in their order.
func vrms(records []store.StoredRecord) string {
	var b bytes.Buffer
	for i, r := range records {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(string(r.Read.VRM))
	}
	return b.String()
}
