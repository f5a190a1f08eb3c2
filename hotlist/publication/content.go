package publication

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/bits"
)

// Content is a digest of the lines of a list that does not depend on their order
// and follows each change: the sum, modulo 2 to the 256, of the SHA-256 of every
// line. It shows that two lists differ by accident. Against forgery it is no
// protection and needs to be none: files come with hashes that are signed.
type Content [sha256.Size]byte

// Add puts a line in.
func (c *Content) Add(line []byte) { c.AddSum(sha256.Sum256(line)) }

// Remove takes a line out.
func (c *Content) Remove(line []byte) { c.RemoveSum(sha256.Sum256(line)) }

// AddSum is Add for a line's hash.
func (c *Content) AddSum(sum [sha256.Size]byte) {
	var carry uint64
	for i := len(c) - 8; i >= 0; i -= 8 {
		var s uint64
		s, carry = bits.Add64(binary.BigEndian.Uint64(c[i:]), binary.BigEndian.Uint64(sum[i:]), carry)
		binary.BigEndian.PutUint64(c[i:], s)
	}
}

// RemoveSum is Remove for a line's hash.
func (c *Content) RemoveSum(sum [sha256.Size]byte) {
	var borrow uint64
	for i := len(c) - 8; i >= 0; i -= 8 {
		var d uint64
		d, borrow = bits.Sub64(binary.BigEndian.Uint64(c[i:]), binary.BigEndian.Uint64(sum[i:]), borrow)
		binary.BigEndian.PutUint64(c[i:], d)
	}
}

// MarshalText gives 64 hexadecimal digits.
func (c Content) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, c[:]), nil }

// UnmarshalText reads what MarshalText gave.
func (c *Content) UnmarshalText(text []byte) error {
	if len(text) != 2*len(c) {
		return errors.New("a digest has 64 hexadecimal digits")
	}
	_, err := hex.Decode(c[:], text)
	return err
}
