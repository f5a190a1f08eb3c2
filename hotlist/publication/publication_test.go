package publication

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"nrd/internal/sealed"
)

// written is a file of lines and its publication.
func written(t testing.TB, lines []string, sign byte) (Publication, []byte) {
	t.Helper()
	key := sealed.NewKey()
	var file bytes.Buffer
	w, err := NewWriter(&file, key)
	if err != nil {
		t.Fatal(err)
	}
	p := Publication{List: "wanted", Version: 2, Made: time.Unix(1, 0), Key: key.Bytes()}
	for _, line := range lines {
		p.Content.Add([]byte(line))
		if err := w.Line(sign, []byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	p.Entries, p.Text = len(lines), w.Text
	return p, file.Bytes()
}

func read(p Publication, file []byte) (lines []string, err error) {
	r, err := p.Open(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for {
		sign, line, err := r.Next()
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
		lines = append(lines, strings.Trim(string(sign), "\x00")+string(line))
	}
}

func manyLines(n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf("AB%dCDE,FORD,FOCUS,BLUE,High,,%d", i, rand.Uint64())
	}
	return lines
}

func TestWhatIsWrittenReadsBackAndCannotBeReadWithoutItsKey(t *testing.T) {
	lines := manyLines(5000)
	p, file := written(t, lines, 0)
	got, err := read(p, file)
	if err != nil || strings.Join(got, "\n") != strings.Join(lines, "\n") {
		t.Fatalf("%d lines, %v", len(got), err)
	}
	other := p
	other.Key = sealed.NewKey().Bytes()
	if got, err := read(other, file); len(got) != 0 || !errors.Is(err, ErrMalformed) {
		t.Errorf("with another key: %d lines, %v", len(got), err)
	}
}

func TestAFileThatEndsEarlyOrGoesOnWithoutEndIsMalformed(t *testing.T) {
	p, file := written(t, manyLines(5000), 0)
	for cut := 0; cut < len(file); cut += 997 {
		if _, err := read(p, file[:cut]); !errors.Is(err, ErrMalformed) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
	}
	short := p
	short.Text -= 10
	if _, err := read(short, file); !errors.Is(err, ErrMalformed) {
		t.Errorf("longer than announced: %v", err)
	}
	long := p
	long.Text += 10
	if _, err := read(long, file); !errors.Is(err, ErrMalformed) {
		t.Errorf("shorter than announced: %v", err)
	}
	// A gigabyte of one line, in a few kilobytes.
	bomb, packed := written(t, []string{strings.Repeat("A", 64<<20)}, 0)
	if _, err := read(bomb, packed); !errors.Is(err, ErrMalformed) {
		t.Errorf("one endless line: %v", err)
	}
}

func TestALineOfADeltaSaysWhatItDoes(t *testing.T) {
	p, file := written(t, []string{"A1,,"}, '+')
	p.From = 1
	if lines, err := read(p, file); err != nil || len(lines) != 1 || lines[0] != "+A1,," {
		t.Errorf("%q, %v", lines, err)
	}
	p, file = written(t, []string{"A1,,"}, 0)
	p.From = 1
	if _, err := read(p, file); !errors.Is(err, ErrMalformed) {
		t.Errorf("a line without a sign: %v", err)
	}
}

func TestTheContentIsThatOfTheLinesInWhateverOrder(t *testing.T) {
	lines := manyLines(100)
	var all, backwards, without Content
	for i, line := range lines {
		all.Add([]byte(line))
		backwards.Add([]byte(lines[len(lines)-1-i]))
		if i != 7 {
			without.Add([]byte(line))
		}
	}
	if all != backwards || all == without {
		t.Error("the digest depends on the order, or not on the lines")
	}
	all.Remove([]byte(lines[7]))
	if all != without {
		t.Error("a line that was taken out is still in")
	}
}

func TestMetadataThatCannotBeIsRefused(t *testing.T) {
	good, _ := written(t, []string{"A1"}, 0)
	for name, spoil := range map[string]func(*Publication){
		"no name": func(p *Publication) { p.List = "" }, "no version": func(p *Publication) { p.Version = 0 },
		"a delta from the future": func(p *Publication) { p.From = p.Version }, "no time": func(p *Publication) { p.Made = time.Time{} },
		"a short key": func(p *Publication) { p.Key = p.Key[:31] }, "a negative size": func(p *Publication) { p.Text = -1 },
	} {
		p := good
		spoil(&p)
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(text); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	text, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := Parse(text); err != nil || p.Content != good.Content || p.List != "wanted" {
		t.Errorf("%+v, %v", p, err)
	}
}

func FuzzOpen(f *testing.F) {
	p, file := written(f, []string{"A1,,", "B2,,"}, '+')
	p.From = 1
	text, err := json.Marshal(p)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text, file)
	f.Fuzz(func(t *testing.T, metadata, file []byte) {
		p, err := Parse(metadata)
		if err != nil {
			return
		}
		lines, err := read(p, file)
		if total := len(strings.Join(lines, "\n")); err == nil && int64(total) > p.Text {
			t.Errorf("%d bytes where %d were announced", total, p.Text)
		}
	})
}
