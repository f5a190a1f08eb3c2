package nrd

import (
	"errors"
	"strings"
	"testing"
)

func TestAVRMIsUpperCaseWithoutSpacesHyphensAndDots(t *testing.T) {
	for written, want := range map[string]VRM{
		"AB12 CDE": "AB12CDE", "ab12cde": "AB12CDE", " a-1 ": "A1", "B.AB 123": "BAB123",
		"AB12\u00a0CDE\t": "AB12CDE", "123456789012345": "123456789012345",
	} {
		if got, err := ParseVRM(written); err != nil || got != want {
			t.Errorf("%q is %q (%v), want %q", written, got, err, want)
		}
	}
}

func TestWhatCannotBeAVRMSaysWhy(t *testing.T) {
	for written, want := range map[string]error{
		"":                           ErrVRMEmpty,
		" - ":                        ErrVRMEmpty,
		"1234567890123456":           ErrVRMLong,
		strings.Repeat("A", 1000000): ErrVRMLong,
		"AB12_DE":                    ErrVRMCharacter,
		"ÄB123":                      ErrVRMCharacter,
		"AB12\x00CD":                 ErrVRMCharacter,
		"\xff\xfe":                   ErrVRMCharacter,
		"AB?":                        ErrVRMCharacter,
	} {
		if got, err := ParseVRM(written); !errors.Is(err, want) || got != "" {
			t.Errorf("%.20q gives %q and %v, want %v", written, got, err, want)
		}
	}
}

func FuzzParseVRM(f *testing.F) {
	for _, s := range []string{"AB12 CDE", "", "\xff", "a-1", "Ünder", "0000000000000000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseVRM(s)
		if err != nil {
			if v != "" {
				t.Errorf("%q gives %q beside an error", s, v)
			}
			return
		}
		if len(v) == 0 || len(v) > MaxVRM {
			t.Errorf("%q gives a VRM of %d characters", s, len(v))
		}
		for i := range len(v) {
			if !NewClass(glyphs).Has(v[i]) {
				t.Errorf("%q gives %q", s, v)
			}
		}
		if again, err := ParseVRM(string(v)); err != nil || again != v {
			t.Errorf("%q does not stay what it is: %q, %v", v, again, err)
		}
	})
}
