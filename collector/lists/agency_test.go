package lists

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"nrd/collector/access"
	"nrd/collector/store"
)

func TestAnExportGoesToAnAgencyThatIsNamedUntilItsDay(t *testing.T) {
	s := newSite(t)
	s.localList("burglars")
	s.put("burglars", entry("AB12CDE", ""))
	hidden := entry("ZZ99ZZZ", "")
	hidden.Covert = true
	s.put("burglars", hidden)
	export := func(to string) (string, error) {
		var b bytes.Buffer
		err := s.Export(t.Context(), jane, "burglars", to, "joint operation", &b)
		return b.String(), err
	}
	if text, err := export("Kent Police"); !errors.Is(err, ErrInvalid) || text != "" {
		t.Errorf("an agency that nobody named gets %q, %v", text, err)
	}
	until := noon.AddDate(0, 0, 7).Truncate(24 * time.Hour)
	s.must(s.Share(t.Context(), jane, "burglars", store.Agency{Name: " Kent  Police ", Purpose: "operation Foo", Until: until}))
	text, err := export("kent police")
	if err != nil || !strings.Contains(text, "AB12CDE") || strings.Contains(text, "ZZ99ZZZ") {
		t.Errorf("the agency gets %q, %v", text, err)
	}
	if text, err := export(""); err != nil || !strings.Contains(text, "ZZ99ZZZ") {
		t.Errorf("an export that goes to nobody else has %q, %v", text, err)
	}
	log, err := s.store.AccessLog(t.Context(), 1, 1000)
	s.must(err)
	if last := log[len(log)-2]; last.Action != "list export" || last.Subject != "burglars, to kent police" || last.Reason != "joint operation" {
		t.Errorf("it is logged as %+v", last)
	}
	if a := s.list("burglars").Agencies; len(a) != 1 || a[0].Name != "Kent Police" || a[0].By != "jane.doe" || !a[0].Since.Equal(s.clock.Now()) {
		t.Errorf("named are %+v", a)
	}
	s.clock.Set(until.Add(23 * time.Hour))
	if _, err := export("Kent Police"); err != nil {
		t.Errorf("on its last day: %v", err)
	}
	s.clock.Set(until.Add(25 * time.Hour))
	if text, err := export("Kent Police"); !errors.Is(err, ErrInvalid) || text != "" {
		t.Errorf("after its last day: %q, %v", text, err)
	}
	s.must(s.Share(t.Context(), jane, "burglars", store.Agency{Name: "KENT POLICE", Purpose: "operation Bar", Until: s.clock.Now().AddDate(0, 1, 0)}))
	if a := s.list("burglars").Agencies; len(a) != 1 || a[0].Purpose != "operation Bar" {
		t.Errorf("named anew it is %+v", a)
	}
	s.must(s.Unshare(t.Context(), jane, "burglars", "Kent Police", "the operation is over"))
	if _, err := export("Kent Police"); !errors.Is(err, ErrInvalid) {
		t.Errorf("after its end: %v", err)
	}
	if err := s.Unshare(t.Context(), jane, "burglars", "Kent Police", "once more"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an agency that is not named: %v", err)
	}
}

func TestNoExportGoesToANationalAgencyWithoutPurposeOrForEver(t *testing.T) {
	s := newSite(t)
	s.localList("burglars")
	s.national()
	soon := noon.AddDate(0, 1, 0)
	for what, c := range map[string]struct {
		list string
		a    store.Agency
		want error
	}{
		"a national service":       {"burglars", store.Agency{Name: "National ANPR Service", Purpose: "x1", Until: soon}, ErrNational},
		"one by its short name":    {"burglars", store.Agency{Name: "the NAS", Purpose: "x1", Until: soon}, ErrNational},
		"no name":                  {"burglars", store.Agency{Name: " - ", Purpose: "x1", Until: soon}, ErrInvalid},
		"no purpose":               {"burglars", store.Agency{Name: "Kent Police", Purpose: " ", Until: soon}, access.ErrReason},
		"no day":                   {"burglars", store.Agency{Name: "Kent Police", Purpose: "x1"}, ErrInvalid},
		"a day that has passed":    {"burglars", store.Agency{Name: "Kent Police", Purpose: "x1", Until: noon.AddDate(0, 0, -2)}, ErrInvalid},
		"years":                    {"burglars", store.Agency{Name: "Kent Police", Purpose: "x1", Until: noon.AddDate(2, 0, 0)}, ErrInvalid},
		"a list that is not local": {"national", store.Agency{Name: "Kent Police", Purpose: "x1", Until: soon}, ErrInvalid},
	} {
		if err := s.Share(t.Context(), jane, c.list, c.a); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if a := s.list("burglars").Agencies; len(a) != 0 {
		t.Errorf("named are %+v", a)
	}
	ros := access.By{Account: "ros.kerr"}
	if err := s.Share(t.Context(), ros, "burglars", store.Agency{Name: "Kent Police", Purpose: "x1", Until: soon}); !errors.Is(err, access.ErrDenied) || !slices.Contains(s.lines(), "ros.kerr: list share: refused: not allowed: the role control-room has no right to export lists") {
		t.Errorf("the control room: %v, %q", err, s.lines())
	}
	if err := s.Unshare(t.Context(), ros, "burglars", "Kent Police", "x1"); !errors.Is(err, access.ErrDenied) {
		t.Errorf("the control room: %v", err)
	}
}
