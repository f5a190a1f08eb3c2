// Package wire is what a device and central say to each other: the messages of
// wire.proto, the topics they travel on, and the way between them and the types
// of package nrd.
//
// A payload is one message in Protocol Buffers' binary form. Who receives one
// calls [Unmarshal] and the To function of its kind; the two together check
// everything, so what they let through has every number within its bounds,
// every text of a sane length and every mark normalised:
//
//	var m wire.Record
//	if err := wire.Unmarshal(payload, &m); err != nil { … }
//	record, err := wire.ToRecord(&m)
//
// Who sends one calls the From function and [Marshal]. From functions repair
// what may come from outside (a list's overlong or broken text is cut), so that
// an oddity in a list never costs a read.
//
// A payload's [Digest] says whether two copies of something are the same. It is
// taken of the bytes as they were sent, once, and never of a message that was
// decoded and encoded again.
package wire

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
)

// Limits that both sides keep. A broker must let MaxPayloadBytes pass.
const (
	// MaxRecordBytes is the longest payload of a record, event, status,
	// receipt or command.
	MaxRecordBytes = 256 << 10
	// MaxImageBytes is the longest JPEG. It is far above every profile's cap:
	// those are for who makes images, this for who must hold them in memory.
	MaxImageBytes = 256 << 10
	// MaxPayloadBytes is the longest payload of any kind.
	MaxPayloadBytes = MaxImageBytes + 4<<10
)

// The kinds of item that get a receipt.
const (
	KindRecord   = "record"
	KindPatch    = "patch"
	KindOverview = "overview"
	KindEvent    = "event"
)

// ErrMalformed says that a payload is not a message of its kind, or too long.
var ErrMalformed = errors.New("the payload is not a message of its kind")

// ErrInvalid says that a message's field is missing or out of its bounds; the
// error's text names the field.
var ErrInvalid = errors.New("the message is not valid")

// ErrTopic says that a topic is not one of this protocol's.
var ErrTopic = errors.New("the topic is not one of a device's")

// Marshal encodes a message, the same message always to the same bytes. The
// error is ErrInvalid where a text is not UTF-8 or the message is too long.
func Marshal(m proto.Message) ([]byte, error) {
	payload, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if limit := limitOf(m); len(payload) > limit {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrInvalid, len(payload), limit)
	}
	return payload, nil
}

// Unmarshal decodes a payload into m, unknown fields included. The error is
// ErrMalformed.
func Unmarshal(payload []byte, m proto.Message) error {
	if limit := limitOf(m); len(payload) > limit {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrMalformed, len(payload), limit)
	}
	if err := proto.Unmarshal(payload, m); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}

func limitOf(m proto.Message) int {
	if _, ok := m.(*Image); ok {
		return MaxPayloadBytes
	}
	return MaxRecordBytes
}

// Digest is SHA-256 of a payload.
func Digest(payload []byte) [32]byte { return sha256.Sum256(payload) }
