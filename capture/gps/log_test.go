package gps

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nrd"
)

// drive is a log: one second a line pair, one thousandth of a degree further
// north each, and no view of the sky in second 5.
func drive() string {
	var b strings.Builder
	b.WriteString(sentence("GPRMC,,V,,,,,,,,,,N"))
	for s := range 8 {
		if s == 5 {
			b.WriteString(sentence(fmt.Sprintf("GPRMC,1000%02d.00,V,,,,,,,231126,,,N", s)))
			continue
		}
		minutes := 0.06 * float64(s)
		b.WriteString("2026-11-23T10:00:00 " + sentence(fmt.Sprintf("GPRMC,1000%02d.00,A,52%07.4f,N,00117.5400,E,30.0,45.0,231126,,,A", s, minutes)))
		b.WriteString(sentence(fmt.Sprintf("GPGGA,1000%02d.00,52%07.4f,N,00117.5400,E,1,09,1.1,20.0,M,45.0,M,,", s, minutes)))
		b.WriteString("$GPRMC,damaged*00\n")
	}
	return b.String()
}

func readLog(t *testing.T, text string) (*Log, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "drive.nmea")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := ReadLog(path)
	if err != nil && !strings.Contains(err.Error(), path) {
		t.Errorf("the file is not named: %v", err)
	}
	return l, err
}

func TestALogIsPlayedWithItsFootage(t *testing.T) {
	l, err := readLog(t, drive())
	if err != nil {
		t.Fatal(err)
	}
	if l.Skipped() != 7 {
		t.Errorf("%d lines were skipped", l.Skipped())
	}
	cases := []struct {
		place    time.Duration
		latitude float64 // 0: no fix
		age      time.Duration
	}{
		{0, 52, 0},
		{999 * time.Millisecond, 52, 999 * time.Millisecond},
		{time.Second, 52.001, 0},
		{4500 * time.Millisecond, 52.004, 500 * time.Millisecond},
		{5500 * time.Millisecond, 0, 0},
		{6100 * time.Millisecond, 52.006, 100 * time.Millisecond},
		{16 * time.Second, 52.007, 9 * time.Second},
		{18 * time.Second, 0, 0},
	}
	for _, paced := range []bool{false, true} {
		if paced {
			l.Fix(nrd.Stamp{Source: nrd.ClockNTP, Monotonic: time.Hour}) // the first frame
		}
		for _, c := range cases {
			at := nrd.Stamp{Source: nrd.ClockFile, Monotonic: c.place}
			if paced {
				at = nrd.Stamp{Source: nrd.ClockNTP, Monotonic: time.Hour + c.place}
			}
			f := l.Fix(at)
			if c.latitude == 0 {
				if f.Known() {
					t.Errorf("paced %v, %v: %+v, want no fix", paced, c.place, f)
				}
				continue
			}
			if !near(f.Latitude, c.latitude) || f.Age != c.age || f.Satellites != 9 || f.HDOP != 1.1 {
				t.Errorf("paced %v, %v: %+v", paced, c.place, f)
			}
		}
	}
}

func TestALogWithoutAPositionIsAnError(t *testing.T) {
	for name, text := range map[string]string{
		"empty":        "",
		"no sentences": "latitude,longitude\n52,1\n",
		"never a fix":  sentence("GPRMC,100000.00,V,,,,,,,231126,,,N"),
		"no dates":     sentence(ggaBody) + sentence("GNVTG,45.0,T,,M,30.0,N,55.6,K,A"),
		"one bad sum":  "$" + rmcBody + "*00\n",
	} {
		if _, err := readLog(t, text); !errors.Is(err, ErrNoFix) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ReadLog(filepath.Join(t.TempDir(), "missing.nmea")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

func TestATimeThatRunsBackwardsIsSkipped(t *testing.T) {
	l, err := readLog(t, sentence(rmcBody)+sentence(strings.Replace(rmcBody, "102014", "102010", 1))+sentence(strings.Replace(rmcBody, "102014", "102016", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if l.Skipped() != 1 || len(l.fixes) != 2 {
		t.Errorf("%d skipped, %d fixes", l.Skipped(), len(l.fixes))
	}
}

func TestALineWithoutAnEndIsCut(t *testing.T) {
	var lines []string
	text := strings.Repeat("x", 3*maxLine) + "\n" + "second\n" + "third"
	if err := eachLine(strings.NewReader(text), func(line string) { lines = append(lines, strings.TrimSpace(line)) }); err != nil {
		t.Fatal(err)
	}
	if len(lines) != 3 || len(lines[0]) != maxLine || lines[1] != "second" || lines[2] != "third" {
		t.Errorf("%d lines, the first of %d", len(lines), len(lines[0]))
	}
}
