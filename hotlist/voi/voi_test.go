package voi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"nrd"
)

var now = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

// row gives a good line with some columns changed.
func row(changes map[int]string) string {
	fields := []string{
		"AB12 CDE", "FORD", "FOCUS", "BLUE", "High", "VI WE", "Stolen", "B22", "Stop and detain", "Anyshire, north",
		"2027-01-31", "N123", "OFFICIAL", "CAD 7", "call control", "REF-1",
	}
	for i, f := range changes {
		fields[i] = f
	}
	for i, f := range fields {
		if !strings.HasPrefix(f, `"`) {
			fields[i] = quote(f)
		}
	}
	return strings.Join(fields, ",")
}

func parse(t *testing.T, text string) ([]nrd.Entry, *Report, error) {
	t.Helper()
	var entries []nrd.Entry
	report, err := Parse(strings.NewReader(text), Options{File: "wanted.dat", List: "wanted", Now: now}, func(e nrd.Entry) error {
		entries = append(entries, e)
		return nil
	})
	if report.Lines != report.Accepted+report.Refused || report.Accepted != len(entries) {
		t.Errorf("the report counts %d lines, %d accepted, %d refused for %d entries", report.Lines, report.Accepted, report.Refused, len(entries))
	}
	return entries, report, err
}

func TestALineBecomesAnEntryWithEachColumnInItsPlace(t *testing.T) {
	entries, report, err := parse(t, row(nil)+"\r\n")
	if err != nil || len(report.Problems) != 0 {
		t.Fatal(err, report)
	}
	want := nrd.Entry{
		List: "wanted", VRM: "AB12CDE", Make: "FORD", Model: "FOCUS", Colour: "BLUE", Priority: nrd.PriorityHigh,
		Action: "High", Markers: []string{"VI", "WE"}, Reason: "Stolen", Intelligence: "B22", Information: "Stop and detain",
		Force: "Anyshire, north", Weed: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC), NationalID: "N123", Marking: "OFFICIAL",
		CAD: "CAD 7", Instructions: "call control", Reference: "REF-1", Line: 1,
	}
	if !reflect.DeepEqual(entries, []nrd.Entry{want}) {
		t.Errorf("got  %+v\nwant %+v", entries, want)
	}
}

func TestABrokenLineIsRefusedByLineAndColumnAndTheRestGoesOn(t *testing.T) {
	for _, c := range []struct{ sentence, line, want string }{
		{"a VRM with a stroke", row(map[int]string{0: "AB12/CDE"}), "line 2: refused: VRM: a VRM has only letters"},
		{"no VRM", row(map[int]string{0: " "}), "line 2: refused: VRM: a VRM needs at least"},
		{"fifteen columns", strings.TrimSuffix(row(nil), ",REF-1"), "line 2: refused: 15 columns where 16 are needed"},
		{"seventeen columns", row(nil) + ",", "line 2: refused: 17 columns where 16 are needed"},
		{"a quote left open", row(map[int]string{15: `"REF`}), "line 2: refused: column 16: a quote is left open"},
		{"text after a quote", row(map[int]string{6: `"Sto"len`}), "line 2: refused: column 7: text follows the closing quote"},
		{"an American date", row(map[int]string{10: "12/31/2026"}), `line 2: refused: weed date: "12/31/2026" is neither`},
		{"a year of two digits", row(map[int]string{10: "31/12/26"}), "line 2: refused: weed date"},
		{"a day that is none", row(map[int]string{10: "2026-02-29"}), "line 2: refused: weed date"},
		{"a date without zeros", row(map[int]string{10: "1/2/2026"}), "line 2: refused: weed date"},
		{"a month in words", row(map[int]string{10: "1 Feb 2026"}), "line 2: refused: weed date"},
		{"a NUL", row(map[int]string{6: "Sto\x00len"}), "line 2: refused: reason: holds the control character U+0000"},
		{"an escape sequence", row(map[int]string{8: "\x1b[2Jgone"}), "line 2: refused: information/action: holds the control character U+001B"},
		{"Latin-1", row(map[int]string{6: "caf\xe9"}), "line 2: refused: reason: is not UTF-8"},
		{"a line too long", row(map[int]string{8: strings.Repeat("x", maxLine)}), "line 2: refused: longer than 8192 bytes"},
		{"a line very much too long", strings.Repeat("x", 1<<20), "line 2: refused: longer than 8192 bytes"},
	} {
		entries, report, err := parse(t, row(nil)+"\n"+c.line+"\n"+row(map[int]string{0: "XY1"})+"\n")
		if err != nil || len(entries) != 2 || entries[1].VRM != "XY1" || entries[1].Line != 3 {
			t.Errorf("%s: the rest did not go on: %v, %v", c.sentence, entries, err)
		}
		if report.Refused != 1 || len(report.Problems) != 1 || !strings.Contains(report.String(), "wanted.dat: "+c.want) {
			t.Errorf("%s: reported as %s", c.sentence, report)
		}
	}
}

func TestWhatIsOddButUsableIsKeptWithAWarning(t *testing.T) {
	for _, c := range []struct{ sentence, line, want string }{
		{"an unknown marker", row(map[int]string{5: "WE ZZ"}), `warning markers: "ZZ" is not known`},
		{"an action without a priority", row(map[int]string{4: "Stop"}), "action: names no priority and is taken as high"},
		{"two priorities", row(map[int]string{4: "Low or Medium"}), "action: names no priority and is taken as high"},
		{"an entry that has expired", row(map[int]string{10: "22/11/2026"}), "weed date: has passed"},
		{"0 where the syntax has O", row(map[int]string{0: "AB12 CD0"}), "VRM: has 0 for O"},
	} {
		entries, report, err := parse(t, c.line+"\n")
		if err != nil || len(entries) != 1 || len(report.Problems) != 1 || !strings.Contains(report.String(), "line 1: warning: "+c.want) {
			t.Errorf("%s: %v, %v, %s", c.sentence, entries, err, report)
		}
	}
}

func TestAFileThatEndsWithinALineIsSaidToBeCutOff(t *testing.T) {
	whole := row(map[int]string{0: "XY1"}) + "\n" + row(nil)
	for _, c := range []struct {
		sentence, text string
		cut            bool
		want           string
	}{
		{"a whole file", whole + "\r\n", false, ""},
		{"a last line without its end", whole, false, "line 2: warning: has no line end"},
		{"a last line in its middle", whole[:len(whole)-30], true, "line 2: refused"},
		{"a last line that is too long", whole + "\n" + strings.Repeat("x", 3*maxLine), true, "line 3: refused"},
		{"a wrong line that has its end", whole + "\nrubbish\n", false, "line 3: refused"},
		{"a wrong line before the last", "rubbish\n" + whole, false, "line 1: refused"},
		{"blanks at the end", whole + "\n  ", false, ""},
	} {
		_, report, err := parse(t, c.text)
		if err != nil || report.Cut != c.cut || !strings.Contains(report.String(), c.want) || c.want == "" && len(report.Problems) > 0 {
			t.Errorf("%s: cut off %t, %v, %s", c.sentence, report.Cut, err, report)
		}
	}
}

func TestAnActionGivesThePriorityItNames(t *testing.T) {
	for action, want := range map[string]nrd.Priority{
		"": nrd.PriorityNone, "H": nrd.PriorityHigh, "medium": nrd.PriorityMedium, "ACT Low": nrd.PriorityLow,
		"MEDIUM - stop": nrd.PriorityMedium, "Stop": nrd.PriorityHigh, "Low, then High": nrd.PriorityHigh,
		"Stop m": nrd.PriorityHigh, "none": nrd.PriorityNone, "highway": nrd.PriorityHigh,
	} {
		if e, _ := ParseLine(row(map[int]string{4: action})); e.Priority != want || e.Action != action {
			t.Errorf("%q gives %v, want %v", action, e.Priority, want)
		}
	}
}

func TestBothUnambiguousDatesAreReadWithTheDayFirst(t *testing.T) {
	want := time.Date(2026, time.February, 1, 0, 0, 0, 0, time.UTC)
	for _, date := range []string{"2026-02-01", "01/02/2026", " 01/02/2026 "} {
		if e, problems := ParseLine(row(map[int]string{10: date})); !e.Weed.Equal(want) || len(problems) != 0 {
			t.Errorf("%q is %s, %v", date, e.Weed, problems)
		}
	}
	if e, _ := ParseLine(row(map[int]string{10: ""})); !e.Weed.IsZero() {
		t.Errorf("no date is %s", e.Weed)
	}
}

func TestHeadingEmptyLinesAndByteOrderMarkAreNoEntries(t *testing.T) {
	text := "\ufeffVRM,make,model\r\n\r\n" + row(nil) + "\n   \n" + row(map[int]string{0: "XY1"}) // no end of line
	entries, report, err := parse(t, text)
	if err != nil || len(entries) != 2 || report.Lines != 2 || entries[0].Line != 3 || entries[1].Line != 5 {
		t.Errorf("%v, %v, %s", entries, err, report)
	}
	if entries, _, err := parse(t, "\ufeff"+row(nil)); err != nil || len(entries) != 1 || entries[0].VRM != "AB12CDE" {
		t.Errorf("after the byte order mark: %v, %v", entries, err)
	}
}

func TestAFileWithoutOneGoodLineIsAnErrorAndNotAnEmptyList(t *testing.T) {
	noise := make([]byte, 100000)
	for i := range noise {
		noise[i] = byte(i*i>>3 + i)
	}
	utf16 := []byte{0xff, 0xfe}
	for _, b := range []byte(row(nil)) {
		utf16 = append(utf16, b, 0)
	}
	for _, c := range []struct {
		sentence string
		text     []byte
		want     error
	}{
		{"empty", nil, ErrNoEntries},
		{"blank lines", []byte("\n\r\n\n"), ErrNoEntries},
		{"a heading alone", []byte("VRM,make\n"), ErrNoEntries},
		{"binary rubbish", noise, ErrNoEntries},
		{"zeros", make([]byte, 100000), ErrNoEntries},
		{"UTF-16", utf16, ErrUTF16},
		{"UTF-16 without its mark", utf16[2:], ErrNoEntries},
	} {
		if entries, _, err := parse(t, string(c.text)); !errors.Is(err, c.want) || len(entries) != 0 {
			t.Errorf("%s: %v, want %v", c.sentence, err, c.want)
		}
	}
}

func TestAFileThatBreaksOffSaysInWhichLine(t *testing.T) {
	broken := errors.New("the disk is gone")
	r := io.MultiReader(strings.NewReader(row(nil)+"\n"+row(nil)[:30]), &failing{broken})
	_, err := Parse(r, Options{File: "wanted.dat"}, func(nrd.Entry) error { return nil })
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "wanted.dat: line 2") {
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

func TestTheReportNamesTheFirstThousandProblemsAndCountsTheRest(t *testing.T) {
	_, report, err := parse(t, row(nil)+"\n"+strings.Repeat("rubbish\n", 1500))
	if err != nil || report.Refused != 1500 || len(report.Problems) != 1000 || report.Omitted != 500 {
		t.Errorf("%d refused, %d named, %d omitted, %v", report.Refused, len(report.Problems), report.Omitted, err)
	}
	if !strings.HasSuffix(report.String(), "wanted.dat: 500 more problems\n") {
		t.Error("the report does not say that it omits some")
	}
}

func TestWhatIsWrittenReadsBackTheSame(t *testing.T) {
	entries := []nrd.Entry{
		{VRM: "AB12CDE", Priority: nrd.PriorityHigh, Action: "High", Markers: []string{"VI", "ZZ"}, Reason: `said "stop", twice`,
			Weed: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC), Reference: "R,1", Line: 1},
		{VRM: "A1", Information: `"`, Make: "ŠKODA", Line: 2},
	}
	var b bytes.Buffer
	if err := Write(&b, slices.Values(entries)); err != nil {
		t.Fatal(err)
	}
	again, report, err := parse(t, b.String())
	for i := range again {
		again[i].List = ""
	}
	if err != nil || !reflect.DeepEqual(again, entries) {
		t.Errorf("got %+v, %v\n%s", again, err, report)
	}
}

func TestAPriorityWithoutAnActionIsWrittenAsItsWord(t *testing.T) {
	line, err := FormatLine(&nrd.Entry{VRM: "A1", Priority: nrd.PriorityMedium})
	if err != nil || !strings.HasPrefix(line, "A1,,,,medium,") {
		t.Errorf("%q, %v", line, err)
	}
}

func TestAnEntryThatWouldReadBackDifferentlyIsNotWritten(t *testing.T) {
	for _, e := range []nrd.Entry{
		{},
		{VRM: "ab12"},
		{VRM: "A1", Reason: "two\nlines"},
		{VRM: "A1", Reason: " space"},
		{VRM: "A1", Reason: "\xff"},
		{VRM: "A1", Markers: []string{"A B"}},
		{VRM: "A1", Action: "high", Priority: nrd.PriorityLow},
		{VRM: "A1", Information: strings.Repeat("x", maxLine)},
	} {
		if line, err := FormatLine(&e); !errors.Is(err, ErrUnwritable) {
			t.Errorf("%+.40v was written as %.40q, %v", e, line, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		row(nil), row(nil) + "\r\n" + row(map[int]string{0: "XY1"}), "", "VRM,make\n", "\ufeff" + row(nil), "\xff\xfeA\x00",
		row(map[int]string{4: "Low or High", 5: "A;B", 10: "01/02/2026"}), `"AB12CDE","a""b",,,,,,,,,,,,,,`, strings.Repeat(",", 15), "\"",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var entries []nrd.Entry
		report, err := Parse(bytes.NewReader(text), Options{File: "fuzz", List: "fuzz", Now: now}, func(e nrd.Entry) error {
			entries = append(entries, e)
			return nil
		})
		if report.Lines != report.Accepted+report.Refused || report.Accepted != len(entries) || (err == nil) != (len(entries) > 0) {
			t.Fatalf("%+v, %d entries, %v", report, len(entries), err)
		}
		for _, e := range entries {
			line, err := FormatLine(&e)
			if err != nil && !strings.Contains(err.Error(), "longer") {
				t.Fatalf("%+v was read but cannot be written: %v", e, err)
			}
			again, _ := ParseLine(line)
			again.List, again.Line = e.List, e.Line
			if err == nil && !reflect.DeepEqual(again, e) {
				t.Fatalf("%+v reads back as %+v", e, again)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	var text bytes.Buffer
	for i := range 10000 {
		fmt.Fprintln(&text, row(map[int]string{0: fmt.Sprintf("AB%02d CDE", i%100), 15: fmt.Sprint(i)}))
	}
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		if _, err := Parse(bytes.NewReader(text.Bytes()), Options{Now: now}, func(nrd.Entry) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
