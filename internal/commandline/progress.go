package commandline

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// Progress shows on a terminal which of many files is at work. To anything that
// is no terminal it writes nothing.
type Progress struct{ w io.Writer }

// NewProgress shows progress on w where that is a terminal.
func NewProgress(w io.Writer) *Progress {
	if f, ok := w.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		w = io.Discard
	}
	return &Progress{w: w}
}

// Show replaces what was shown before.
func (p *Progress) Show(done, total int, name string) {
	if total > 1 {
		fmt.Fprintf(p.w, "\r\x1b[K%d of %d  %s", done, total, name)
	}
}

// Clear leaves the line empty, for other words or for the end.
func (p *Progress) Clear() { fmt.Fprint(p.w, "\r\x1b[K") }
