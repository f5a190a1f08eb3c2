package publication

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"nrd/internal/sealed"
)

const (
	// window is how far back the compression looks, and so what a unit needs of
	// memory for it.
	window = 1 << 20
	// maxLine is a little more than the longest line of an entry.
	maxLine = 16 << 10
)

// Writer writes the lines of a file.
type Writer struct {
	// Text is how many bytes were written, ends of lines included.
	Text int64

	sealed io.WriteCloser
	packed *zstd.Encoder
	lines  *bufio.Writer
}

// NewWriter writes a file to w under a key that is used for no other.
func NewWriter(w io.Writer, key *sealed.Key) (*Writer, error) {
	boxes := sealed.NewWriter(w, key)
	packed, err := zstd.NewWriter(boxes, zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		return nil, err
	}
	return &Writer{sealed: boxes, packed: packed, lines: bufio.NewWriterSize(packed, window/4)}, nil
}

// Line writes a line; sign is 0 in a snapshot, '-' or '+' in a delta.
func (w *Writer) Line(sign byte, line []byte) error {
	if sign != 0 {
		w.Text++
		w.lines.WriteByte(sign) //nolint:errcheck // the next Write tells
	}
	w.Text += int64(len(line)) + 1
	w.lines.Write(line) //nolint:errcheck // the next Write tells
	return w.lines.WriteByte('\n')
}

// Close ends the file; it does not close what it is written to.
func (w *Writer) Close() error {
	return errors.Join(w.lines.Flush(), w.packed.Close(), w.sealed.Close())
}

// Reader reads the lines of a file. Close it.
type Reader struct {
	packed *zstd.Decoder
	lines  *bufio.Scanner
	left   int64
	delta  bool
	number int
}

// Open reads the file of a publication from r.
func (p Publication) Open(r io.Reader) (*Reader, error) {
	key, err := p.key()
	if err != nil {
		return nil, err
	}
	packed, err := zstd.NewReader(sealed.NewReader(r, key), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window))
	if err != nil {
		return nil, err
	}
	// One byte more than there should be shows that there are too many.
	lines := bufio.NewScanner(io.LimitReader(packed, p.Text+1))
	lines.Buffer(make([]byte, 0, 4*maxLine), maxLine)
	return &Reader{packed: packed, lines: lines, left: p.Text, delta: p.From != 0}, nil
}

// Next gives the next line, good until the following call, and its sign, which is
// 0 in a snapshot. The error is io.EOF after the last line and ErrMalformed where
// the file is not what was announced.
func (r *Reader) Next() (sign byte, line []byte, err error) {
	if !r.lines.Scan() {
		err := r.lines.Err()
		switch {
		case err != nil:
			return 0, nil, fmt.Errorf("%w: line %d: %w", ErrMalformed, r.number+1, err)
		case r.left != 0:
			return 0, nil, fmt.Errorf("%w: it ends %d bytes too early", ErrMalformed, r.left)
		}
		return 0, nil, io.EOF
	}
	line = r.lines.Bytes()
	r.number++
	if r.left -= int64(len(line)) + 1; r.left < 0 {
		return 0, nil, fmt.Errorf("%w: it is longer than announced", ErrMalformed)
	}
	if !r.delta {
		return 0, line, nil
	}
	if len(line) == 0 || (line[0] != '-' && line[0] != '+') {
		return 0, nil, fmt.Errorf("%w: line %d of a delta begins with neither - nor +", ErrMalformed, r.number)
	}
	return line[0], line[1:], nil
}

// Close ends reading; it does not close what is read from.
func (r *Reader) Close() { r.packed.Close() }
