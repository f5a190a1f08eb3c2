package sealed

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
)

// sealedStream seals so many bytes.
func sealedStream(t *testing.T, key *Key, size int) (text, boxes []byte) {
	t.Helper()
	text = bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
	var out bytes.Buffer
	w := NewWriter(&out, key)
	for rest := text; len(rest) > 0; {
		n := min(len(rest), 1000)
		if _, err := w.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return text, out.Bytes()
}

func TestAStreamReadsBack(t *testing.T) {
	key := NewKey()
	for _, size := range []int{0, 1, chunk - 1, chunk, chunk + 1, 3 * chunk, 3*chunk + 7} {
		text, boxes := sealedStream(t, key, size)
		got, err := io.ReadAll(NewReader(bytes.NewReader(boxes), key))
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("%d bytes came back as %d, %v", size, len(got), err)
		}
		if size > 16 && bytes.Contains(boxes, []byte("0123456789abcdef")) {
			t.Error("the text can be read")
		}
	}
}

func TestAStreamThatWasCutChangedOrShuffledDoesNotRead(t *testing.T) {
	key := NewKey()
	_, boxes := sealedStream(t, key, 3*chunk)
	one := chunk + Overhead
	changed := bytes.Clone(boxes)
	changed[one+100] ^= 1
	for name, wrong := range map[string][]byte{
		"cut in a chunk": boxes[:2*one-5], "cut between chunks": boxes[:2*one], "a chunk left out": slices.Concat(boxes[:one], boxes[2*one:]),
		"two chunks exchanged": slices.Concat(boxes[one:2*one], boxes[:one], boxes[2*one:]), "a bit changed": changed, "something behind it": append(bytes.Clone(boxes), 0),
		"nothing": nil,
	} {
		if _, err := io.ReadAll(NewReader(bytes.NewReader(wrong), key)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := io.ReadAll(NewReader(bytes.NewReader(boxes), NewKey())); !errors.Is(err, ErrDamaged) {
		t.Errorf("another key: %v", err)
	}
}

func FuzzNewReader(f *testing.F) {
	key, err := ParseKey(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		f.Fatal(err)
	}
	var out bytes.Buffer
	w := NewWriter(&out, key)
	if _, err := w.Write([]byte("text")); err != nil {
		f.Fatal(err)
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(out.Bytes())
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, boxes []byte) {
		// Nobody without the key makes anything that reads.
		if text, err := io.ReadAll(NewReader(bytes.NewReader(boxes), key)); err == nil && string(text) != "text" {
			t.Errorf("%q", text)
		}
	})
}
