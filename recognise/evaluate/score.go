package evaluate

import (
	"slices"

	"nrd"
)

// read is what was read of a photograph's plate or of a clip's passage.
type read struct {
	text       string
	confidence float64
	// characters is the confidence of each character of the text.
	characters []int
	box        Box
	// patch is a picture of it, nil where it is cut from the photograph.
	patch []byte
}

// footage is a photograph or a clip with what is known of it beside its truth.
type footage struct {
	*Truth
	clip bool
	// light is how light it is by its own pixels.
	light string
}

// score gathers what was read into a report.
type score struct {
	report  Report
	groups  groups
	confuse confusions
	reads   calibration
	glyphs  calibration
	cpu     []float64
	small   []float64
}

func newScore(by []string) *score {
	return &score{groups: newGroups(by), report: Report{
		Format: Format, Version: Version, Truth: []File{}, Plates: []Outcome{}, FalseReads: []FalseRead{}, Missing: []string{}, Unreadable: []string{},
	}}
}

// photograph counts the reads of one photograph, surest first. What it returns
// are its misses: plates not read right, then reads that are false.
func (s *score) photograph(f footage, reads []read) (missed []Outcome, wrong []FalseRead) {
	p := &s.report.Photographs
	p.Count++
	if len(f.Plates) == 0 {
		p.WithoutPlateRead.add(len(reads) > 0)
	} else {
		p.TopExact.add(len(reads) > 0 && says(reads[0], f.Plates, same))
		p.TopRight.add(len(reads) > 0 && says(reads[0], f.Plates, alike))
	}
	folded := 0
	for _, r := range reads {
		if !says(r, f.Plates, same) {
			p.FalseReads.Count++
		}
		right := says(r, f.Plates, alike)
		if !right {
			folded++
			wrong = append(wrong, f.falseRead(r))
		}
		s.reads.add(r.confidence, right)
	}
	p.FalseReadsFolded.Count += folded
	for _, plate := range f.Plates {
		p.Plates++
		p.PlatesExact.add(anySays(reads, plate, same))
		p.PlatesRight.add(anySays(reads, plate, alike))
		of := theRead(plate, f.Plates, reads)
		if o := s.plate(f, plate, of); !o.Right {
			missed = append(missed, o)
		}
	}
	s.groups.photograph(f, folded)
	s.report.FalseReads = append(s.report.FalseReads, wrong...)
	return missed, wrong
}

// theRead gives the read that was made of a plate: the one that says it; else the
// surest that lies on it; else, where the truth has no box, the nearest that is
// of no other plate. It is nil where there is none.
func theRead(plate Plate, all []Plate, reads []read) *read {
	for i := range reads {
		if alike(reads[i].text, plate.VRM) {
			return &reads[i]
		}
	}
	best, least := -1, near+1
	for i, r := range reads {
		if says(r, all, alike) {
			continue
		}
		if plate.Box != nil {
			if r.box.on(*plate.Box) {
				return &reads[i]
			}
			continue
		}
		if d := distance(fold(string(plate.VRM)), fold(r.text)); d < least {
			best, least = i, d
		}
	}
	if best < 0 {
		return nil
	}
	return &reads[best]
}

// clip counts the passages of one clip, in the order in which they were told.
func (s *score) clip(f footage, passages []read) (missed []Outcome, wrong []FalseRead) {
	c := &s.report.Clips
	c.Count++
	for _, r := range passages {
		s.reads.add(r.confidence, says(r, f.Plates, alike))
	}
	left := slices.Clone(passages)
	for _, plate := range f.Plates {
		c.Plates++
		best, least := -1, near+1
		for i, r := range left {
			if d := distance(fold(string(plate.VRM)), fold(r.text)); d < least {
				best, least = i, d
			}
		}
		var of *read
		if best >= 0 {
			r := left[best]
			of = &r
			left = slices.Delete(left, best, best+1)
		}
		c.Captured.add(of != nil)
		if of != nil {
			c.Right.add(least == 0)
		}
		if o := s.plate(f, plate, of); !o.Right {
			missed = append(missed, o)
		}
	}
	c.Extra.Count += len(left)
	for _, r := range left {
		wrong = append(wrong, f.falseRead(r))
	}
	s.report.FalseReads = append(s.report.FalseReads, wrong...)
	return missed, wrong
}

// plate counts what became of one true plate.
func (s *score) plate(f footage, plate Plate, of *read) Outcome {
	o := Outcome{File: f.File, Clip: f.clip, Plate: plate.VRM}
	if plate.Box != nil {
		o.Width = int(plate.Box[2] + 0.5)
	}
	if of != nil {
		o.Captured, o.Read, o.Confidence = true, of.text, percent(of.confidence)
		o.Right, o.Exact = alike(of.text, plate.VRM), same(of.text, plate.VRM)
		if o.Width == 0 {
			o.Width = int(of.box[2] + 0.5)
		}
		s.confuse.add(string(plate.VRM), of.text)
		for i, right := range rightCharacters(string(plate.VRM), of.text) {
			if i < len(of.characters) {
				s.glyphs.add(float64(of.characters[i]), right)
			}
		}
		s.report.Right.add(o.Right)
	}
	s.report.Captured.add(o.Captured)
	o.Groups = s.groups.plate(f, plate, o)
	s.report.Plates = append(s.report.Plates, o)
	return o
}

func (f footage) falseRead(r read) FalseRead {
	return FalseRead{File: f.File, Clip: f.clip, Read: r.text, Confidence: percent(r.confidence), Box: r.box}
}

// finish gives the report with the sums made.
func (s *score) finish() *Report {
	r := &s.report
	p, c := &r.Photographs, &r.Clips
	p.FalseReads = rate(p.FalseReads.Count, p.Count)
	p.FalseReadsFolded = rate(p.FalseReadsFolded.Count, p.Count)
	c.Extra = rate(c.Extra.Count, c.Plates)
	r.Groups = s.groups.finish()
	r.Confusions = s.confuse.finish()
	r.Reliability = Reliability{Calibration: s.reads.finish(), Characters: s.glyphs.finish()}
	r.CPU, r.SmallCPU = times(s.cpu), times(s.small)
	return r
}

func same(text string, plate nrd.VRM) bool { return text == string(plate) }

func alike(text string, plate nrd.VRM) bool { return fold(text) == fold(string(plate)) }

// says reports whether a read says one of the plates.
func says(r read, plates []Plate, equal func(string, nrd.VRM) bool) bool {
	return slices.ContainsFunc(plates, func(p Plate) bool { return equal(r.text, p.VRM) })
}

// anySays reports whether one of the reads says a plate.
func anySays(reads []read, p Plate, equal func(string, nrd.VRM) bool) bool {
	return slices.ContainsFunc(reads, func(r read) bool { return equal(r.text, p.VRM) })
}

func percent(f float64) int { return int(max(0, min(100, f)) + 0.5) }

func times(ms []float64) Times {
	if len(ms) == 0 {
		return Times{}
	}
	slices.Sort(ms)
	sum := 0.0
	for _, v := range ms {
		sum += v
	}
	at := func(q float64) float64 { return round(ms[min(len(ms)-1, int(q*float64(len(ms))))], 1) }
	return Times{Count: len(ms), Median: at(0.5), Mean: round(sum/float64(len(ms)), 1), P95: at(0.95)}
}

// took counts the processor time of a photograph of so many pixels' width.
func (s *score) took(ms float64, width int) {
	s.cpu = append(s.cpu, ms)
	if width <= 1280 {
		s.small = append(s.small, ms)
	}
}
