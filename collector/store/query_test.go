package store

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestAPatternIsNormalisedOrRefused(t *testing.T) {
	for name, c := range map[string]struct{ pattern, want string }{
		"as a person types it":              {" ab12 c?* ", "AB12C?*"},
		"with hyphens and dots":             {"ab-12.cd", "AB12CD"},
		"all":                               {"", ""},
		"a blank is all":                    {"  ", ""},
		"nothing but a hyphen is not all":   {"-", "refused"},
		"a quote":                           {"AB'", "refused"},
		"a class of the database's":         {"AB[0-9]", "refused"},
		"longer than any mark with stars":   {strings.Repeat("*", 31), "refused"},
		"a letter that no British mark has": {"ÄB1", "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			q, err := Query{Pattern: c.pattern}.Normalise()
			if c.want == "refused" {
				if !errors.Is(err, ErrQuery) {
					t.Fatalf("%q became %q, %v", c.pattern, q.Pattern, err)
				}
				return
			}
			if err != nil || q.Pattern != c.want {
				t.Fatalf("%q became %q, %v", c.pattern, q.Pattern, err)
			}
		})
	}
}

func TestASearchThatEndsBeforeItBeginsIsRefused(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	if _, err := (Query{From: now, To: now}).Normalise(); !errors.Is(err, ErrQuery) {
		t.Fatalf("got %v", err)
	}
	if _, err := (Query{Limit: MaxLimit + 1}).Normalise(); !errors.Is(err, ErrQuery) {
		t.Fatalf("got %v", err)
	}
}

func FuzzNormalise(f *testing.F) {
	for _, seed := range []string{"", "ab12 cde", "A?*", "-", "\x00", "ıſ", "*****"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		q, err := Query{Pattern: pattern}.Normalise()
		if err != nil {
			return
		}
		if strings.Trim(q.Pattern, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789?*") != "" || len(q.Pattern) > maxPattern {
			t.Fatalf("%q became %q", pattern, q.Pattern)
		}
		if again, err := q.Normalise(); err != nil || again != q {
			t.Fatalf("%q changes again, to %q: %v", q.Pattern, again.Pattern, err)
		}
	})
}
