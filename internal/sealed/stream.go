package sealed

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A stream is sealed in chunks, each a box of this many bytes of plaintext but
// for the last, which may be shorter and even empty. A chunk is bound to its
// number and to being the last or not, so that none can be left out, moved or
// cut off.
const chunk = 64 << 10

// NewWriter seals what is written to it. Close writes the last chunk and leaves w
// open; without it the stream does not read to its end. A key may seal one stream
// only.
func NewWriter(w io.Writer, key *Key) io.WriteCloser {
	return &writer{w: w, key: key, text: make([]byte, 0, chunk)}
}

type writer struct {
	w      io.Writer
	key    *Key
	text   []byte
	number uint64
}

func (w *writer) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		// A full chunk waits for the byte after it: it may be the last.
		if len(w.text) == chunk {
			if err := w.flush(false); err != nil {
				return n, err
			}
		}
		took := copy(w.text[len(w.text):chunk], p)
		w.text = w.text[:len(w.text)+took]
		n, p = n+took, p[took:]
	}
	return n, nil
}

func (w *writer) flush(last bool) error {
	_, err := w.w.Write(w.key.Seal(w.text, chunkPlace(w.number, last)))
	w.text, w.number = w.text[:0], w.number+1
	return err
}

func (w *writer) Close() error { return w.flush(true) }

func chunkPlace(number uint64, last bool) []byte {
	p := binary.BigEndian.AppendUint64(make([]byte, 0, 9), number)
	if last {
		return append(p, 1)
	}
	return append(p, 0)
}

// NewReader opens what NewWriter sealed. The error is ErrDamaged where it was
// changed, cut or sealed under another key; what was read before that is genuine.
func NewReader(r io.Reader, key *Key) io.Reader {
	return &reader{r: bufio.NewReaderSize(r, 2*chunk), key: key}
}

type reader struct {
	r      *bufio.Reader
	key    *Key
	text   []byte
	number uint64
	last   bool
}

func (r *reader) Read(p []byte) (int, error) {
	for len(r.text) == 0 {
		if r.last {
			return 0, io.EOF
		}
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.text)
	r.text = r.text[n:]
	return n, nil
}

func (r *reader) next() error {
	box := make([]byte, chunk+Overhead)
	n, err := io.ReadFull(r.r, box)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	_, end := r.r.Peek(1)
	if end != nil && !errors.Is(end, io.EOF) {
		return end
	}
	r.last = end != nil
	if r.text, err = r.key.Open(box[:n], chunkPlace(r.number, r.last)); err != nil {
		return fmt.Errorf("chunk %d: %w", r.number, err)
	}
	r.number++
	return nil
}
