package voi

import (
	"fmt"
	"strings"
)

// maxProblems is how many problems a report names; the others are counted.
const maxProblems = 1000

// Problem is what is wrong with one line.
type Problem struct {
	// Line counts from 1; Column is the column's name, "" for the whole line.
	Line            int
	Column, Message string
	// Refused says that the line was left out; otherwise it was kept and this
	// is a warning.
	Refused bool
}

// String gives the problem without the file's name.
func (p Problem) String() string {
	kind := "warning"
	if p.Refused {
		kind = "refused"
	}
	if p.Column == "" {
		return fmt.Sprintf("line %d: %s: %s", p.Line, kind, p.Message)
	}
	return fmt.Sprintf("line %d: %s: %s: %s", p.Line, kind, p.Column, p.Message)
}

// Report says what became of a file's lines. It quotes no VRM.
type Report struct {
	File, List string
	// Lines counts those that are neither empty nor a heading: each was
	// accepted or refused.
	Lines, Accepted, Refused int
	// Cut says that the file ends within a line that was refused: most likely the
	// rest of it was lost.
	Cut bool
	// Problems are the first 1,000, in the order of lines but for those that
	// only show when the whole file is known (an entry that is there twice);
	// Omitted counts the others.
	Problems []Problem
	Omitted  int
}

// String gives a summary and then a line for each problem.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d lines, %d accepted, %d refused\n", r.File, r.Lines, r.Accepted, r.Refused)
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "%s: %s\n", r.File, p)
	}
	if r.Omitted > 0 {
		fmt.Fprintf(&b, "%s: %d more problems\n", r.File, r.Omitted)
	}
	return b.String()
}

// Refuse adds a refused line, not counted before.
func (r *Report) Refuse(line int, column, message string) {
	r.Refused++
	r.add(Problem{Line: line, Column: column, Message: message, Refused: true})
}

// Warn adds a warning about a line that was accepted.
func (r *Report) Warn(line int, column, message string) {
	r.add(Problem{Line: line, Column: column, Message: message})
}

func (r *Report) add(p Problem) {
	if len(r.Problems) >= maxProblems {
		r.Omitted++
		return
	}
	r.Problems = append(r.Problems, p)
}
