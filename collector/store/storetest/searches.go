package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"nrd"
	"nrd/collector/store"
)

func searchPatterns(t *testing.T, subject Subject) {
	s := open(t, subject)
	for i, vrm := range []nrd.VRM{"AB12CDE", "AB12CDF", "AB21CDE", "B12CDE", "AB12", "X1"} {
		add(t, s, Record("unit-1", uint64(i+1), vrm, Noon.Add(time.Duration(i)*time.Second)))
	}
	for pattern, want := range map[string]string{
		"":          "X1 AB12 B12CDE AB21CDE AB12CDF AB12CDE",
		"*":         "X1 AB12 B12CDE AB21CDE AB12CDF AB12CDE",
		"AB12CDE":   "AB12CDE",
		"ab12 cde":  "AB12CDE",
		"AB12CD?":   "AB12CDF AB12CDE",
		"AB12CD":    "",
		"AB12*":     "AB12 AB12CDF AB12CDE",
		"AB12??*":   "AB12CDF AB12CDE",
		"*CDE":      "B12CDE AB21CDE AB12CDE",
		"*12*":      "AB12 B12CDE AB12CDF AB12CDE",
		"?B??CDE":   "AB21CDE AB12CDE",
		"??":        "X1",
		"A*2C*E":    "AB12CDE",
		"A*1C*E":    "AB21CDE",
		"ZZ*":       "",
		"AB1?CD*":   "AB12CDF AB12CDE",
		"AB-12.CDF": "AB12CDF",
	} {
		if got := vrms(search(t, s, store.Query{Pattern: pattern})); got != want {
			t.Errorf("%q finds %q, want %q", pattern, got, want)
		}
	}
}

// A vehicle whose plate could not be read is found by time and place, never by a
// pattern, and its pictures are kept.
func searchUnread(t *testing.T, subject Subject) {
	s := open(t, subject)
	r := Record("unit-1", 1, "", Noon)
	r.Read = nrd.Read{Engine: "net 1"}
	add(t, s, r)
	for pattern, want := range map[string]int{"": 1, "*": 0, "?": 0, "A*": 0, "AB12CDE": 0} {
		if got := search(t, s, store.Query{Pattern: pattern}); len(got) != want {
			t.Errorf("%q finds %d records, want %d", pattern, len(got), want)
		}
	}
	if held := search(t, s, store.Query{Camera: "front"}); len(held) != 1 || !held[0].Unread() || !held[0].HasPatch || !held[0].HasOverview {
		t.Errorf("held %+v", held)
	}
}

func searchBounds(t *testing.T, subject Subject) {
	s := open(t, subject)
	midnight := Noon.Truncate(24 * time.Hour).Add(24 * time.Hour)
	add(t, s, Record("unit-1", 1, "A1", midnight.Add(-time.Nanosecond)))
	add(t, s, Hit(Record("unit-1", 2, "A2", midnight)))
	add(t, s, Record("unit-2", 1, "A3", midnight.Add(time.Nanosecond)))
	rear := Hit(Record("unit-2", 2, "A4", midnight.Add(time.Hour)))
	rear.Camera.Name = "rear"
	add(t, s, rear)
	for name, test := range map[string]struct {
		query store.Query
		want  string
	}{
		"from is in":         {store.Query{From: midnight}, "A4 A3 A2"},
		"to is out":          {store.Query{To: midnight}, "A1"},
		"across midnight":    {store.Query{From: midnight.Add(-time.Nanosecond), To: midnight.Add(2 * time.Nanosecond)}, "A3 A2 A1"},
		"a nanosecond":       {store.Query{From: midnight, To: midnight.Add(1)}, "A2"},
		"another time zone":  {store.Query{From: midnight.In(time.FixedZone("BST", 3600))}, "A4 A3 A2"},
		"hits only":          {store.Query{HitsOnly: true}, "A4 A2"},
		"hits of a pattern":  {store.Query{HitsOnly: true, Pattern: "*2"}, "A2"},
		"hits of a prefix":   {store.Query{HitsOnly: true, Pattern: "A*"}, "A4 A2"},
		"a device":           {store.Query{Device: "unit-2"}, "A4 A3"},
		"a camera":           {store.Query{Camera: "rear"}, "A4"},
		"all at once":        {store.Query{Pattern: "A?", From: midnight, To: midnight.Add(2 * time.Hour), Device: "unit-2", Camera: "front"}, "A3"},
		"an unknown device":  {store.Query{Device: "unit-9"}, ""},
		"limit":              {store.Query{Limit: 3}, "A4 A3 A2"},
		"limit across days":  {store.Query{Limit: 4, Pattern: "A*"}, "A4 A3 A2 A1"},
		"a day with nothing": {store.Query{From: midnight.Add(240 * time.Hour)}, ""},
	} {
		if got := vrms(search(t, s, test.query)); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func searchErrors(t *testing.T, subject Subject) {
	s := open(t, subject)
	for name, q := range map[string]store.Query{
		"a bracket":   {Pattern: "AB[12]"},
		"a quote":     {Pattern: "A'; --"},
		"a backslash": {Pattern: `A\`},
		"to the past": {From: Noon, To: Noon.Add(-time.Hour)},
		"no time":     {From: Noon, To: Noon},
		"too many":    {Limit: store.MaxLimit + 1},
		"negative":    {Limit: -1},
	} {
		if _, err := s.Search(context.Background(), q); !errors.Is(err, store.ErrQuery) {
			t.Errorf("%s: %v, want ErrQuery", name, err)
		}
	}
}
