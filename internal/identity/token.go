package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
)

// Token is what a person carries from central to a new unit: who the unit is, how
// it knows central, and a secret that is good for one certificate.
type Token struct {
	Device string
	// CA is the fingerprint (SHA-256) of the site's CA.
	CA     [sha256.Size]byte
	Secret [16]byte
}

// NewToken draws the secret of a token.
func NewToken(device string, ca [sha256.Size]byte) Token {
	t := Token{Device: device, CA: ca}
	rand.Read(t.Secret[:]) //nolint:errcheck // crypto/rand.Read never fails: it ends the program instead
	return t
}

// ParseToken reads what Text gave. The error is ErrToken; it does not show the
// text.
func ParseToken(text string) (Token, error) {
	device, rest, _ := strings.Cut(strings.TrimSpace(text), ".")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	t := Token{Device: device}
	if err != nil || len(raw) != len(t.CA)+len(t.Secret) || ValidDevice(device) != nil {
		return Token{}, ErrToken
	}
	copy(t.CA[:], raw)
	copy(t.Secret[:], raw[len(t.CA):])
	return t, nil
}

// Text writes the token with its secret, for a person to carry.
func (t Token) Text() string {
	return t.Device + "." + base64.RawURLEncoding.EncodeToString(append(t.CA[:], t.Secret[:]...))
}

// Digest stands for the token where it is kept: it does not give the secret away.
func (t Token) Digest() [sha256.Size]byte { return sha256.Sum256([]byte(t.Text())) }

// String gives a text without the secret.
func (t Token) String() string { return fmt.Sprintf("identity.Token(%s, …)", t.Device) }

// GoString is String, for %#v.
func (t Token) GoString() string { return t.String() }
