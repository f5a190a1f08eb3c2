package collector

import (
	"strings"
	"testing"
	"time"

	"nrd/internal/trust"
)

func TestKeysThatAreMissingOrEndSoonAndSignaturesThatGrowOldAreSaid(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for what, c := range map[string]struct {
		ends, last time.Time
		keys, late string
	}{
		"all is well":           {now.Add(trustWarning), now.Add(-trust.Life / 4), "", ""},
		"no keys":               {time.Time{}, time.Time{}, "central trust init", ""},
		"a root that ends soon": {now.Add(trustWarning - time.Hour), now, "ends on 2027-01-22", ""},
		"signed long ago":       {now.AddDate(1, 0, 0), now.Add(-13 * time.Hour), "", "13 hours ago"},
	} {
		s := signing(c.ends, c.last, now)
		if (s.Keys == "") != (c.keys == "") || !strings.Contains(s.Keys, c.keys) || (s.Late == "") != (c.late == "") || !strings.Contains(s.Late, c.late) {
			t.Errorf("%s: %+v", what, s)
		}
	}
}
