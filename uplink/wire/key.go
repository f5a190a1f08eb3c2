package wire

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"nrd"
)

// keyField is where every kind of item has its key.
const keyField = 1

// KeyOf gives the key of an item of any kind. Of the rest only the form is
// looked at. The error is ErrMalformed, or ErrInvalid for a key that cannot be.
func KeyOf(payload []byte) (nrd.Key, error) {
	if len(payload) > MaxPayloadBytes {
		return nrd.Key{}, fmt.Errorf("%w: %d bytes, at most %d", ErrMalformed, len(payload), MaxPayloadBytes)
	}
	var key []byte
	for rest := payload; len(rest) > 0; {
		number, kind, n := protowire.ConsumeTag(rest)
		if n < 0 {
			return nrd.Key{}, fmt.Errorf("%w: %w", ErrMalformed, protowire.ParseError(n))
		}
		value := protowire.ConsumeFieldValue(number, kind, rest[n:])
		if value < 0 {
			return nrd.Key{}, fmt.Errorf("%w: %w", ErrMalformed, protowire.ParseError(value))
		}
		if number == keyField && kind == protowire.BytesType {
			part, _ := protowire.ConsumeBytes(rest[n:])
			key = append(key, part...) // given twice, it is merged
		}
		rest = rest[n+value:]
	}
	var m Key
	if err := proto.Unmarshal(key, &m); err != nil {
		return nrd.Key{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return ToKey(&m)
}
