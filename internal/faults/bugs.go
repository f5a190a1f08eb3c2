package main

import "fmt"

// bugEdits are the edits of all planted bugs: each is in the programs of every
// run, asleep until a run asks for it by name.
func bugEdits() (all []edit) {
	for _, s := range scenarios(0) {
		for _, b := range s.bugs {
			all = append(all, b.edit)
		}
	}
	return all
}

// when puts a statement that counts only with the bug in front of the line that
// begins with at.
func when(bug, file, at, statement string) edit {
	return before(file, at, fmt.Sprintf("if plant.Bug(%q) { %s }", bug, statement))
}

// without leaves a statement out with the bug.
func without(bug, file, statement string) edit {
	return edit{file, statement, fmt.Sprintf("if !plant.Bug(%q) { %s }", bug, statement)}
}
