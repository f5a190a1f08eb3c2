// Package carry is the file in which records are carried by hand where a unit's
// link is dead: its payloads as they would have been published, one after the
// other, in the clear or sealed under a key that travels apart from it. Who takes
// them in gives each to the same code that takes it from the network: the same
// payload twice is stored once.
//
// A file begins with a line, "nrd carried records 1" or "nrd carried records 1
// sealed". Then come frames, each a length of four bytes (big endian) and so many
// bytes. In the clear a frame is a kind (one byte: e event, r record, p patch, o
// overview) and a payload of [nrd/uplink/wire]; a sealed file's frame is the box
// of that, bound to the frame's number from 0 in eight bytes. The last frame has
// the kind "." and, in eight bytes, how many came before it: a file without it
// was cut off.
package carry

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"nrd/internal/sealed"
	"nrd/uplink/wire"
)

// ErrFormat says that a file is not one of carried records, or cut off.
var ErrFormat = errors.New("the file does not hold carried records, or not all of them")

// ErrKey says that a sealed file was read without its key, or with another.
var ErrKey = errors.New("the carried records are sealed under another key")

const (
	clearLine  = "nrd carried records 1\n"
	sealedLine = "nrd carried records 1 sealed\n"
	purpose    = "carried records"
	end        = '.'
)

var letters = map[string]byte{wire.KindEvent: 'e', wire.KindRecord: 'r', wire.KindPatch: 'p', wire.KindOverview: 'o'}

// Writer writes a file of carried records.
type Writer struct {
	to  *bufio.Writer
	key *sealed.Key
	n   uint64
}

// NewWriter begins a file; a nil key leaves it in the clear.
func NewWriter(to io.Writer, key *sealed.Key) (*Writer, error) {
	w := &Writer{to: bufio.NewWriter(to)}
	line := clearLine
	if key != nil {
		w.key, line = key.Derive(purpose), sealedLine
	}
	_, err := w.to.WriteString(line)
	return w, err
}

// Add writes one payload of a kind of wire's.
func (w *Writer) Add(kind string, payload []byte) error {
	letter, known := letters[kind]
	if !known {
		return fmt.Errorf("there is no kind %q", kind)
	}
	return w.frame(append([]byte{letter}, payload...))
}

// Flush hands on what was added, without an end: who reads it knows that it is
// not all.
func (w *Writer) Flush() error { return w.to.Flush() }

// Close writes the end. It does not close the file.
func (w *Writer) Close() error {
	if err := w.frame(binary.BigEndian.AppendUint64([]byte{end}, w.n)); err != nil {
		return err
	}
	return w.to.Flush()
}

func (w *Writer) frame(body []byte) error {
	if w.key != nil {
		body = w.key.Seal(body, binary.BigEndian.AppendUint64(nil, w.n))
	}
	w.n++
	_, err := w.to.Write(binary.BigEndian.AppendUint32(nil, uint32(len(body))))
	if err == nil {
		_, err = w.to.Write(body)
	}
	return err
}

// Read calls take with each payload of a file. The error is ErrFormat, ErrKey or
// take's; what was taken before it is genuine.
func Read(from io.Reader, key *sealed.Key, take func(kind string, payload []byte) error) error {
	r := bufio.NewReader(from)
	switch line, err := r.ReadString('\n'); {
	case err == nil && line == clearLine:
		key = nil
	case err == nil && line == sealedLine && key != nil:
		key = key.Derive(purpose)
	case err == nil && line == sealedLine:
		return ErrKey
	default:
		return ErrFormat
	}
	for n := uint64(0); ; n++ {
		body, err := readFrame(r, key, n)
		if err != nil {
			return err
		}
		if body[0] == end {
			if len(body) != 9 || binary.BigEndian.Uint64(body[1:]) != n {
				return fmt.Errorf("%w: frames are missing", ErrFormat)
			}
			return nil
		}
		kind := kindOf(body[0])
		if kind == "" {
			return fmt.Errorf("%w: frame %d is of the unknown kind %q", ErrFormat, n, body[0])
		}
		if err := take(kind, body[1:]); err != nil {
			return err
		}
	}
}

func kindOf(letter byte) string {
	for kind, l := range letters {
		if l == letter {
			return kind
		}
	}
	return ""
}

func readFrame(r io.Reader, key *sealed.Key, n uint64) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	size := binary.BigEndian.Uint32(length[:])
	if size == 0 || size > wire.MaxPayloadBytes+sealed.Overhead+1 {
		return nil, fmt.Errorf("%w: frame %d has %d bytes", ErrFormat, n, size)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if key == nil {
		return body, nil
	}
	plaintext, err := key.Open(body, binary.BigEndian.AppendUint64(nil, n))
	if err != nil || len(plaintext) == 0 {
		return nil, fmt.Errorf("%w: frame %d", ErrKey, n)
	}
	return plaintext, nil
}
