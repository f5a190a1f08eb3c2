package nrd

import (
	"errors"
	"fmt"
	"strings"
)

// VRM is a vehicle registration mark, normalised: upper case letters and
// digits, no spaces. Make one with [ParseVRM].
type VRM string

// MaxVRM is the longest mark that any profile accepts.
const MaxVRM = 15

// Errors of [ParseVRM].
var (
	ErrVRMEmpty     = errors.New("a VRM needs at least one letter or digit")
	ErrVRMLong      = fmt.Errorf("a VRM has at most %d characters", MaxVRM)
	ErrVRMCharacter = errors.New("a VRM has only letters A-Z and digits 0-9; spaces and hyphens are ignored")
)

// ParseVRM normalises what a person or a file wrote: case, spaces, hyphens and
// dots go; anything else than A-Z and 0-9 is an error.
func ParseVRM(s string) (VRM, error) {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case r >= 'a' && r <= 'z':
			b.WriteRune(r - 'a' + 'A')
		case r == ' ' || r == '-' || r == '.' || r == '\t' || r == '\u00a0':
		default:
			return "", fmt.Errorf("%w: %q", ErrVRMCharacter, r)
		}
		if b.Len() > MaxVRM {
			return "", ErrVRMLong
		}
	}
	if b.Len() == 0 {
		return "", ErrVRMEmpty
	}
	return VRM(b.String()), nil
}
