package agent

import (
	"slices"
	"testing"

	"nrd"
	"nrd/hotlist/live"
)

// TestAnExactHitThatIsGoneIsMissedThoughANearOneOfItsListStays is about a list whose
// entries have no references.
func TestAnExactHitThatIsGoneIsMissedThoughANearOneOfItsListStays(t *testing.T) {
	exact := nrd.Hit{List: nrd.ListVersion{List: "local"}, Entry: nrd.Entry{List: "local", VRM: "NE41RLY"}, Match: nrd.MatchExact}
	near := nrd.Hit{List: nrd.ListVersion{List: "local"}, Entry: nrd.Entry{List: "local", VRM: "NE4IRLY"}, Match: nrd.MatchNear}
	before := []nrd.Hit{exact, near}
	answer := live.Answer{Gateway: "force live", Lists: []string{"local"}}
	if gone := less(before, answer.Over(before)); !slices.Equal(gone, []string{"local"}) {
		t.Errorf("gone %q", gone)
	}
	exact.Live = true
	if come := less([]nrd.Hit{exact, near}, []nrd.Hit{near}); !slices.Equal(come, []string{"local"}) {
		t.Errorf("come %q", come)
	}
}

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
