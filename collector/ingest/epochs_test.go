package ingest

import (
	"testing"
	"time"

	"nrd"
	"nrd/collector/store/storetest"
)

func TestTwoBuffersThatAlternateAreTwoUnitsAndANewBufferIsNone(t *testing.T) {
	const minute = time.Minute
	for name, c := range map[string]struct {
		epochs string // one letter an item
		every  time.Duration
		want   int
	}{
		"one buffer":                            {"aaaaaaaa", minute, 0},
		"a new buffer each day":                 {"aabbccddeeff", 24 * time.Hour, 0},
		"what a broker sends twice comes late":  {"aaababbbbb", time.Second, 0},
		"two units":                             {"abababab", minute, 2},
		"two units that each send much at once": {"aaaabbbbaaaabbbbaaaa", minute, 1},
		"three units":                           {"abcabc", minute, 1},
		"one that is used again each day":       {"abababab", 24 * time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			e, now, got := epochs{}, storetest.Noon, 0
			for _, epoch := range c.epochs {
				now = now.Add(c.every)
				if e.saw(nrd.Key{Device: "unit-1", Epoch: uint64(epoch)}, now) {
					got++
				}
				if e.saw(nrd.Key{Device: "unit-2", Epoch: 1}, now) {
					t.Error("the other device has no rival")
				}
			}
			if got != c.want {
				t.Errorf("it is told %d times, want %d", got, c.want)
			}
		})
	}
}
