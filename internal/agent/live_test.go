package agent

import (
	"slices"
	"testing"

	"nrd"
)

func TestAListWhoseEntryALiveGatewayGivesWithoutAReferenceNeitherLosesNorGainsOne(t *testing.T) {
	of := func(list, reference string, live bool) nrd.Hit {
		return nrd.Hit{List: nrd.ListVersion{List: list}, Entry: nrd.Entry{List: list, Reference: reference}, Live: live}
	}
	before := []nrd.Hit{of("national", "7", false), of("local", "3", false)}
	now := []nrd.Hit{of("national", "", true), of("local", "4", true)}
	if gone, come := less(before, now), less(now, before); !slices.Equal(gone, []string{"local"}) || !slices.Equal(come, []string{"local"}) {
		t.Errorf("gone %q, come %q", gone, come)
	}
}
