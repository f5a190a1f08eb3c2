package main

import "fmt"

// planted is a bug that the build of a fault run has in it, asleep until a run
// asks for it by name.
type planted struct {
	name  string
	edits []edit
}

// when puts a statement that counts only with the bug in front of the line that
// begins with at.
func when(bug, file, at, statement string) planted {
	return planted{bug, []edit{before(file, at, fmt.Sprintf("if plant.Bug(%q) { %s }", bug, statement))}}
}

// without leaves a statement out with the bug.
func without(bug, file, statement string) planted {
	return planted{bug, []edit{{file, statement, fmt.Sprintf("if !plant.Bug(%q) { %s }", bug, statement)}}}
}

// bugs are the planted ones, each of another kind.
var bugs = []planted{
	{"an acknowledgement counts as a receipt", []edit{before("uplink/session.go", "f.acked = true\n\tdelete(s.blame",
		`if plant.Bug("an acknowledgement counts as a receipt") {
		_ = s.Buffer.ask(&request{removes: []itemID{f.id}})
		s.forget(f.id)
		return
	}`)}},
}

// bugEdits are the edits of all bugs.
func bugEdits() (all []edit) {
	for _, b := range bugs {
		all = append(all, b.edits...)
	}
	return all
}
