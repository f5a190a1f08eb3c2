package gps

import (
	"errors"
	"fmt"
	"os"
	"sort"
	"sync"
	"time"

	"nrd"
)

// ErrNoFix says that a file of sentences holds no position with a date.
var ErrNoFix = errors.New("no position with a date (a valid RMC sentence) in it")

// Log is a recorded drive, played from its beginning together with the footage
// that was recorded with it.
//
// For a frame that carries the time of its file, the place in the video is the
// place in the log. Any other stamp, such as that of a paced video, is counted
// from the first one that was asked for. A fix keeps the receiver's time as it
// was recorded.
type Log struct {
	fixes   []logged
	skipped uint64

	begin sync.Once
	began time.Duration
}

// logged is a fix and its place in the log.
type logged struct {
	after time.Duration
	fix   nrd.Fix
}

// ReadLog reads a file of NMEA sentences. Lines may have something before the $,
// and bad lines are skipped.
func ReadLog(path string) (*Log, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("NMEA file: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	l, d := &Log{}, newDecoder()
	err = eachLine(file, func(text string) {
		if d.line(text, nrd.Stamp{}) {
			l.add(d.latest.fix)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("NMEA file %s: %w", path, err)
	}
	if l.skipped += d.skipped; len(l.fixes) == 0 {
		return nil, fmt.Errorf("NMEA file %s: %w", path, ErrNoFix)
	}
	return l, nil
}

// add takes a fix that has a time. The log begins with the first position; a
// time that runs backwards is skipped.
func (l *Log) add(f nrd.Fix) {
	if f.Time.IsZero() || len(l.fixes) == 0 && !f.Known() {
		return
	}
	if len(l.fixes) == 0 {
		l.fixes = []logged{{fix: f}}
		return
	}
	last := &l.fixes[len(l.fixes)-1]
	switch after := f.Time.Sub(l.fixes[0].fix.Time); {
	case after == last.after:
		last.fix = f // another sentence of the same moment
	case after > last.after:
		l.fixes = append(l.fixes, logged{after: after, fix: f})
	default:
		l.skipped++
	}
}

// Skipped counts the lines that could not be used.
func (l *Log) Skipped() uint64 { return l.skipped }

// Fix is the position at that place of the log.
func (l *Log) Fix(at nrd.Stamp) nrd.Fix {
	place := at.Monotonic
	if at.Source != nrd.ClockFile {
		l.begin.Do(func() { l.began = at.Monotonic })
		place -= l.began
	}
	n := sort.Search(len(l.fixes), func(i int) bool { return l.fixes[i].after > place })
	if n == 0 {
		return none
	}
	return aged(l.fixes[n-1].fix, place-l.fixes[n-1].after)
}
