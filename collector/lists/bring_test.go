package lists

import (
	"errors"
	"strings"
	"testing"
	"time"

	"nrd/collector/access"
	"nrd/collector/alarm"
	"nrd/collector/store"
	"nrd/hotlist/voi"
)

// lastLine gives the newest line of the access log.
func (s *site) lastLine() store.Access {
	s.t.Helper()
	log, err := s.store.AccessLog(s.t.Context(), 1, 1000)
	s.must(err)
	return log[len(log)-1]
}

func TestAFileIsOpenedOnlyForWhoMayLoadItAndABrokenOneIsKeptAsRefused(t *testing.T) {
	s := newSite(t)
	s.localList("burglars")
	s.national()
	opened := 0
	bring := func(by access.By, list string) (store.ListImport, error) {
		return s.ImportFrom(t.Context(), by, list, "bomb.zip", func() (*voi.File, error) {
			opened++
			return OpenInMemory(strings.NewReader("PK\x03\x04 no zip at all"), "bomb.zip")
		}, Upload{Rationale: "operation Foo", Covert: true})
	}
	if _, err := bring(access.By{Account: "sam.hill"}, "burglars"); !errors.Is(err, access.ErrDenied) || opened != 0 {
		t.Errorf("an officer's file: %v, opened %d times", err, opened)
	}
	for _, list := range []string{"burglars", "national"} {
		i, err := bring(jane, list)
		if err != nil || i.State != store.ImportRefused || i.ID == 0 || !strings.Contains(i.Why, "ZIP") || i.By != "jane.doe" {
			t.Errorf("a broken file: %+v, %v", i, err)
		}
		if line := s.lastLine(); line.Action != "list import" || line.Subject != "list "+list+": bomb.zip, covert" || line.Reason != "operation Foo" {
			t.Errorf("it is logged as %+v", line)
		}
		if kept, err := s.store.Imports(t.Context(), list, 1); err != nil || len(kept) != 1 || kept[0].ID != i.ID {
			t.Errorf("kept is %+v, %v", kept, err)
		}
	}
	if text := s.alarmAbout("list national", alarm.Extract); !strings.Contains(text, "refused") {
		t.Errorf("the alarm says %q", text)
	}
	if _, err := bring(jane, "nowhere"); !errors.Is(err, store.ErrNotFound) || opened != 2 {
		t.Errorf("a file of no list: %v, opened %d times", err, opened)
	}
}

func TestTheLogSaysWhatBecameOfWhichEntryAndWhatKindOfListChanged(t *testing.T) {
	s := newSite(t)
	s.localList("burglars")
	s.national()
	says := func(action, subject string) {
		t.Helper()
		if line := s.lastLine(); line.Action != action || line.Subject != subject {
			t.Errorf("it is logged as %q, %q, want %q, %q", line.Action, line.Subject, action, subject)
		}
	}
	e := entry("AB12CDE", "R1")
	e.Covert = true
	s.put("burglars", e)
	says("list entry add", "list burglars: AB12CDE R1, priority high, covert")
	e.ID, e.VRM, e.Reference, e.Priority = s.entries("burglars")[0].ID, "CD34EFG", "", 1
	s.put("burglars", e)
	says("list entry change", "list burglars: entry 1, now CD34EFG, priority low, covert, changed: mark AB12CDE to CD34EFG, reference R1 to none, priority high to low, action")
	e = s.entries("burglars")[0]
	e.Weed, e.Review, e.Rationale, e.Reason, e.Information, e.Markers = e.Weed.AddDate(0, 1, 0), e.Review.AddDate(0, 1, 0), "a new witness", "Stop and search", "two occupants", nil
	s.put("burglars", e)
	says("list entry change", "list burglars: entry 1, now CD34EFG, priority low, covert, changed: weed date 2027-01-23 to 2027-02-23, review 2026-12-21 to 2027-01-21, rationale, reason, information, markers")
	s.put("burglars", e)
	says("list entry change", "list burglars: entry 1, now CD34EFG, priority low, covert, nothing changed")
	s.must(s.RemoveEntry(t.Context(), jane, "burglars", e.ID, "arrested"))
	says("list entry remove", "list burglars: entry 1, CD34EFG, priority low, covert")
	s.must(s.Change(t.Context(), jane, "national", func(n *NewList) { n.Owner = "X" }))
	says("list change", "national, from files NAT_WANTED, for response, owner X, to every device, a file due every 8h0m0s, to be reviewed on 2027-11-23")
	s.must(s.Change(t.Context(), jane, "national", func(n *NewList) {
		n.Every, n.Near, n.Review = 12*time.Hour, true, noon.AddDate(0, 1, 0)
	}))
	says("list change", "national, from files NAT_WANTED, for response, owner X, to every device, a file due every 12h0m0s, look-alikes too, to be reviewed on 2026-12-23")
	if err := s.Change(t.Context(), access.By{Account: "sam.hill"}, "nowhere", func(n *NewList) { n.Owner = "X" }); !errors.Is(err, access.ErrDenied) {
		t.Errorf("an officer learns whether there is a list: %v", err)
	}
}
