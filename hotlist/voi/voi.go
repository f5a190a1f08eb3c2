// Package voi reads and writes the files in which lists of vehicles of interest
// are exchanged: sixteen columns, comma separated, in UTF-8, one entry a line,
// often as the one text file of a ZIP.
//
// [Open] opens either; [Parse] reads what it gives line by line, so that a list
// of millions needs no more memory than one of ten. A line that cannot be used
// is refused and named in the [Report], and the rest goes on:
//
//	file, err := voi.Open("nat_wanted_R.zip")
//	report, err := voi.Parse(file, voi.Options{List: "wanted", Now: now}, keep)
//	fmt.Print(report)
//
// The standard leaves things open; this package decides them so: an entry never
// goes over the end of its line, not even inside quotes, so that one lost quote
// costs one line and not the file. A first line that begins with the column name
// VRM is a heading. A last line without a line end is one like the others, with a
// warning; if it is refused, the file counts as cut off. A date is yyyy-mm-dd or
// dd/mm/yyyy. An action that names no priority is taken as high, with a warning:
// graded too high it is noticed and put right, too low it is missed.
package voi

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"nrd"
)

// Errors of Open, Parse and Write. Errors of single lines are in the Report.
var (
	// ErrNoEntries says that no line of the file could be used, or that it has
	// none: taken as a replacement it would empty the list.
	ErrNoEntries = errors.New("the file holds no entry")
	// ErrUTF16 says that the file is not in UTF-8.
	ErrUTF16 = errors.New("the file is in UTF-16; a list is in UTF-8")
	// ErrZIP says that a ZIP is not one whole text file named
	// SOURCE_LIST_OPERATION.dat.
	ErrZIP = errors.New("the ZIP cannot be used")
	// ErrTooLarge says that the file has more text than any list, or that a
	// ZIP grows as no text does.
	ErrTooLarge = errors.New("the file is too large for a list")
	// ErrUnwritable says that an entry cannot be written so that it reads
	// back as it was.
	ErrUnwritable = errors.New("the entry cannot be written")
)

// maxLine is the longest line in bytes; an officer reads none that is longer.
const maxLine = 8192

// Options say what Parse reads.
type Options struct {
	// File is the name used in the report.
	File string
	// List is the name given to the entries.
	List string
	// Now decides which entries the report calls expired.
	Now time.Time
}

// Parse gives each good line's entry to each, in the file's order, and reports
// on the others. An error of each ends it and is returned, wrapped; so is an
// error of r. The report is never nil: it tells how far Parse came.
func Parse(r io.Reader, o Options, each func(nrd.Entry) error) (*Report, error) {
	report := &Report{File: o.File, List: o.List}
	lines := lineReader{r: bufio.NewReaderSize(r, maxLine+2)}
	for {
		line, tooLong, err := lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return report, fmt.Errorf("%s: line %d: %w", o.File, lines.number, err)
		}
		if lines.number == 1 {
			if line, err = withoutMark(line); err != nil {
				return report, fmt.Errorf("%s: %w", o.File, err)
			}
			if isHeading(line) {
				continue
			}
		}
		if len(bytes.TrimSpace(line)) == 0 && !tooLong {
			continue
		}
		report.Lines++
		refused := report.Refused
		if tooLong {
			report.Refuse(lines.number, "", fmt.Sprintf("longer than %d bytes", maxLine))
		} else if err := parseOne(string(line), lines.number, o, report, each); err != nil {
			return report, fmt.Errorf("%s: line %d: %w", o.File, lines.number, err)
		}
		switch {
		case lines.endless && report.Refused > refused:
			report.Cut = true
		case lines.endless:
			report.Warn(lines.number, "", "has no line end: something may be missing behind it")
		}
	}
	if report.Accepted == 0 {
		return report, fmt.Errorf("%s: %w", o.File, ErrNoEntries)
	}
	return report, nil
}

func parseOne(line string, number int, o Options, report *Report, each func(nrd.Entry) error) error {
	e, problems := ParseLine(line)
	refused := false
	for _, p := range problems {
		p.Line = number
		report.add(p)
		refused = refused || p.Refused
	}
	if refused {
		report.Refused++
		return nil
	}
	e.List, e.Line = o.List, number
	if wrongGlyph(e.VRM) {
		report.Warn(number, columns[columnVRM], "has 0 for O or 1 for I, or the other way round: no read can match it")
	}
	if e.Expired(o.Now) {
		report.Warn(number, "weed date", "has passed: the entry never matches")
	}
	report.Accepted++
	return each(e)
}

// withoutMark takes the byte order mark of UTF-8 off the first line.
func withoutMark(line []byte) ([]byte, error) {
	if bytes.HasPrefix(line, []byte{0xff, 0xfe}) || bytes.HasPrefix(line, []byte{0xfe, 0xff}) {
		return nil, ErrUTF16
	}
	return bytes.TrimPrefix(line, []byte("\ufeff")), nil
}

func isHeading(line []byte) bool {
	first, _, _ := bytes.Cut(line, []byte(","))
	return strings.EqualFold(strings.Trim(string(first), ` "`), columns[columnVRM])
}

// lineReader gives lines one by one without ever holding a longer one than
// maxLine.
type lineReader struct {
	r      *bufio.Reader
	number int
	// endless says that the line has no end, as the last of a file that was cut off.
	endless bool
}

// next gives a line without its end, valid until the following call; tooLong
// says that the line was longer than maxLine and skipped. At the end of the file
// the error is io.EOF.
func (l *lineReader) next() (line []byte, tooLong bool, err error) {
	line, err = l.r.ReadSlice('\n')
	if len(line) > 0 || !errors.Is(err, io.EOF) {
		l.number++
	}
	for errors.Is(err, bufio.ErrBufferFull) {
		tooLong = true
		_, err = l.r.ReadSlice('\n')
	}
	l.endless = errors.Is(err, io.EOF)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, tooLong, err
	case tooLong:
		return nil, true, nil
	case len(line) == 0:
		return nil, false, io.EOF
	}
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	return line, len(line) > maxLine, nil
}
