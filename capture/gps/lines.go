package gps

import (
	"bufio"
	"errors"
	"io"
)

// maxLine is far more than a sentence's 82 characters.
const maxLine = 1024

// eachLine gives the lines of r until it ends or fails. A receiver also sends
// what is not text, and noise at a wrong speed: such a line is cut to maxLine.
func eachLine(r io.Reader, each func(string)) error {
	in := bufio.NewReaderSize(r, maxLine)
	tail := false // the rest of a line that was too long is left out
	for {
		line, err := in.ReadSlice('\n')
		if len(line) > 0 && !tail {
			each(string(line))
		}
		tail = errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !tail {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}
