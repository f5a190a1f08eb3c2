package evaluate

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"nrd"
)

// Truth is what people saw on one photograph or clip.
type Truth struct {
	// File names it as the truth file does, with slashes.
	File string
	// Plates are those that can be read; none where there is none to read.
	Plates []Plate
	// Columns are the other columns of its first row, by name.
	Columns map[string]string
}

// Plate is one plate as a person read it.
type Plate struct {
	VRM nrd.VRM
	// Box is where it is in pixels of the file, nil where nobody said.
	Box *Box
	// Columns are the other columns of its row, by name.
	Columns map[string]string
}

// Box is an upright rectangle in pixels: left, top, width and height.
type Box [4]float64

// unlabelled begins the column plates of a clip whose vehicles nobody read.
const unlabelled = "unlabelled"

// ReadTruth reads a truth file: CSV in UTF-8 with a header. Each row is a plate,
//
//	file,plate[,x,y,w,h][,anything else]
//
// where an empty plate says that the file shows none that can be read, and x, y,
// w, h are the plate's box in pixels, all or none of them. Or each row is a clip,
//
//	file,plates[,anything else]
//
// with its plates in one column, separated by |; a clip whose plates begin with
// the word unlabelled is left out. Other columns are kept: light, source, region
// and syntax are known to [Run], and it can group by any. Several rows of one
// file are several plates.
func ReadTruth(file string) ([]*Truth, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("truth: %w", err)
	}
	return ParseTruth(file, data)
}

// ParseTruth reads the content of a truth file; file is used in errors only.
func ParseTruth(file string, data []byte) ([]*Truth, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	p := &parser{file: file, csv: csv.NewReader(bytes.NewReader(data)), byFile: map[string]*Truth{}}
	p.csv.ReuseRecord = true
	if err := p.header(); err != nil {
		return nil, err
	}
	for {
		row, err := p.csv.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %w", file, ErrTruth, err)
		}
		if err := p.row(row); err != nil {
			return nil, err
		}
	}
	if len(p.truth) == 0 {
		return nil, fmt.Errorf("%s: %w: it has a header and nothing else", file, ErrTruth)
	}
	return p.truth, nil
}

// parser is a truth file that is being read.
type parser struct {
	file   string
	csv    *csv.Reader
	names  []string
	truth  []*Truth
	byFile map[string]*Truth
}

func (p *parser) header() error {
	row, err := p.csv.Read()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %w: it is empty", p.file, ErrTruth)
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %w", p.file, ErrTruth, err)
	}
	for _, name := range row {
		name = strings.ToLower(strings.TrimSpace(name))
		if name != "" && slices.Contains(p.names, name) {
			return fmt.Errorf("%s:1: %w: the column %q is there twice", p.file, ErrTruth, name)
		}
		p.names = append(p.names, name)
	}
	plate, plates := slices.Contains(p.names, "plate"), slices.Contains(p.names, "plates")
	if !slices.Contains(p.names, "file") || plate == plates {
		return fmt.Errorf("%s:1: %w: the header needs the columns file and plate, or for clips file and plates", p.file, ErrTruth)
	}
	return nil
}

// wrong names the line and the column of the row that was read last.
func (p *parser) wrong(column, format string, args ...any) error {
	line, _ := p.csv.FieldPos(max(slices.Index(p.names, column), 0))
	return fmt.Errorf("%s:%d: %s: %w: %s", p.file, line, column, ErrTruth, fmt.Sprintf(format, args...))
}

func (p *parser) row(row []string) error {
	cells := map[string]string{}
	for i, name := range p.names {
		if name != "" {
			cells[name] = strings.TrimSpace(row[i])
		}
	}
	file := strings.ReplaceAll(cells["file"], `\`, "/")
	if file == "" {
		return p.wrong("file", "it is empty")
	}
	if text, clip := cells["plates"]; clip {
		return p.clip(file, text, cells)
	}
	box, err := p.box(cells)
	if err != nil {
		return err
	}
	t := p.of(file, cells)
	if cells["plate"] == "" {
		return nil
	}
	return p.add(t, "plate", cells["plate"], box, cells)
}

// of gives the truth of a file, which its first row makes.
func (p *parser) of(file string, cells map[string]string) *Truth {
	t := p.byFile[file]
	if t == nil {
		t = &Truth{File: file, Columns: cells}
		p.byFile[file] = t
		p.truth = append(p.truth, t)
	}
	return t
}

func (p *parser) clip(file, text string, cells map[string]string) error {
	if strings.HasPrefix(strings.ToLower(text), unlabelled) {
		return nil
	}
	t := p.of(file, cells)
	for plate := range strings.SplitSeq(text, "|") {
		if plate = strings.TrimSpace(plate); plate == "" {
			continue
		}
		if err := p.add(t, "plates", plate, nil, cells); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) add(t *Truth, column, text string, box *Box, cells map[string]string) error {
	vrm, err := nrd.ParseVRM(text)
	if err != nil {
		return p.wrong(column, "%q: %v", text, err)
	}
	t.Plates = append(t.Plates, Plate{VRM: vrm, Box: box, Columns: cells})
	return nil
}

// box reads x, y, w and h. A box without an area is none.
func (p *parser) box(cells map[string]string) (*Box, error) {
	var box Box
	given := 0
	for i, name := range []string{"x", "y", "w", "h"} {
		text := cells[name]
		if text == "" {
			continue
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(v) || math.Abs(v) > 1e6 || i >= 2 && v < 0 {
			return nil, p.wrong(name, "%q is not a number of pixels", text)
		}
		box[i] = v
		given++
	}
	switch {
	case given == 0:
		return nil, nil //nolint:nilnil // no box is no error
	case given < 4:
		return nil, p.wrong("x", "x, y, w and h go together")
	case box[2]*box[3] == 0:
		return nil, nil //nolint:nilnil // as above
	}
	return &box, nil
}
