package console

import (
	"testing"
	"time"

	"nrd"
)

func TestAMarkIsShownWithTheGapOfItsPlate(t *testing.T) {
	for vrm, want := range map[nrd.VRM]string{
		"AB12CDE": "AB12 CDE", "A123BCD": "A123 BCD", "A1BCD": "A1 BCD", "ABC123D": "ABC 123D", "ABC1D": "ABC 1D", "ABC123": "ABC 123", "1ABC": "1 ABC",
		"LAZ4421": "LAZ 4421", "Q123ABC": "Q123 ABC", "123D456": "123D456", "": "", "X": "X", "B123": "B 123", "WXYZ12Q8": "WXYZ12Q8",
	} {
		if got := grouped(vrm); got != want {
			t.Errorf("%s is shown as %q, want %q", vrm, got, want)
		}
	}
}

func TestASpanOfTimeIsSaidToThePrecisionAPersonNeeds(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 1200 * time.Millisecond: "1.2 s", 90 * time.Second: "90 s", 61 * time.Minute: "61 min", 26*time.Hour + 5*time.Minute: "26 h 05 min", 100 * time.Hour: "4 days",
	} {
		if got := inWords(d); got != want {
			t.Errorf("%s is said as %q, want %q", d, got, want)
		}
	}
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1021334: "1,021,334"} {
		if got := count(n); got != want {
			t.Errorf("%d is written %q, want %q", n, got, want)
		}
	}
}
