// Package sealed keeps data on disk so that a stolen disk gives nothing away and
// a power cut leaves nothing half-written.
//
// There is one [Key] for each machine, made with [CreateKey] and read with
// [LoadKey]. Nothing is sealed under it directly: each use derives a key of its
// own, so that what one part of the program sealed can never be opened as
// another part's:
//
//	machine, err := sealed.LoadKey("/var/lib/nrd/machine.key")
//	key := machine.Derive("hot list cache")
//	box := key.Seal(plaintext, []byte("entry 17"))
//	plaintext, err = key.Open(box, []byte("entry 17"))
//
// The second argument binds a box to its place: it is not stored and must be the
// same when the box is opened, so a box that was moved does not open.
package sealed

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
)

const keySize = 32

// Overhead is how many bytes a box is longer than what was sealed in it.
const Overhead = 12 + 16

// Key is a 256-bit key. It never shows itself: every way of printing it gives
// its type only. Its methods are safe for concurrent use.
type Key struct {
	raw  [keySize]byte
	aead cipher.AEAD
	also *Key
}

// NewKey draws a key at random.
func NewKey() *Key {
	var raw [keySize]byte
	rand.Read(raw[:]) //nolint:errcheck // crypto/rand.Read never fails: it ends the program instead
	return makeKey(raw[:])
}

// ParseKey makes a key of its 32 raw bytes. The error is ErrKeyFormat.
func ParseKey(raw []byte) (*Key, error) {
	if len(raw) != keySize {
		return nil, fmt.Errorf("%w: got %d bytes", ErrKeyFormat, len(raw))
	}
	return makeKey(raw), nil
}

func makeKey(raw []byte) *Key {
	block, err := aes.NewCipher(raw)
	if err != nil {
		panic(err) // the length is right by construction
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // AES has the block size that GCM needs
	}
	return &Key{raw: [keySize]byte(raw), aead: aead}
}

// LoadKey reads a key file. The error is ErrKeyExposed where others than its
// owner may read it and ErrKeyFormat where it holds no key.
func LoadKey(path string) (*Key, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s: %w", path, ErrKeyExposed)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	raw, err := hex.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil || len(raw) != keySize {
		return nil, fmt.Errorf("%s: %w", path, ErrKeyFormat)
	}
	return makeKey(raw), nil
}

// CreateKey draws a key and writes it to a new file that only the owner may
// read. The error is ErrKeyExists where the file is there already.
func CreateKey(path string) (*Key, error) {
	k := NewKey()
	text := append(hex.AppendEncode(nil, k.raw[:]), '\n')
	if err := createFile(path, text, 0o600); err != nil {
		if os.IsExist(err) {
			return nil, fmt.Errorf("%s: %w", path, ErrKeyExists)
		}
		return nil, err
	}
	return k, nil
}

// Bytes gives a copy of the 32 raw bytes, to be sealed under another key.
func (k *Key) Bytes() []byte { return bytes.Clone(k.raw[:]) }

// Derive gives the key for a purpose (HKDF-SHA256). The same key and purpose
// always give the same result, and no result tells anything of another.
func (k *Key) Derive(purpose string) *Key {
	raw, err := hkdf.Key(sha256.New, k.raw[:], nil, purpose, keySize)
	if err != nil {
		panic(err) // only an absurd length can fail
	}
	derived := makeKey(raw)
	if k.also != nil {
		derived.also = k.also.Derive(purpose)
	}
	return derived
}

// Also gives a key that seals like k and opens what either key sealed: for the
// time in which everything goes over from one to the other.
func (k *Key) Also(other *Key) *Key {
	both := *k
	both.also = other
	return &both
}

// Seal encrypts plaintext with AES-256-GCM under a random nonce, which the box
// begins with. aad is bound to the box but not stored in it.
func (k *Key) Seal(plaintext, aad []byte) []byte { return k.aead.Seal(nil, nil, plaintext, aad) }

// Open decrypts a box. The error is ErrDamaged where box or aad are not what
// Seal gave and got.
func (k *Key) Open(box, aad []byte) ([]byte, error) { return k.OpenTo(nil, box, aad) }

// OpenTo is Open that puts the text behind dst, which shares no memory with box.
func (k *Key) OpenTo(dst, box, aad []byte) ([]byte, error) {
	plaintext, err := k.aead.Open(dst, nil, box, aad)
	if err == nil {
		return plaintext, nil
	}
	if k.also != nil {
		return k.also.OpenTo(dst, box, aad)
	}
	return nil, ErrDamaged
}

// String gives a text without the key.
func (k Key) String() string { return "sealed.Key(…)" }

// Format prints String's text for every verb, so that no %d or %#v shows the
// key.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) } //nolint:errcheck // a fmt.State has nobody to tell
