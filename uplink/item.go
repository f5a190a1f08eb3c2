package uplink

import (
	"encoding/binary"
	"fmt"

	"nrd"
	"nrd/uplink/wire"
)

// rank orders the queue: hits travel before other reads and text before images.
// It is also the order, read from the end, in which a full buffer lets go.
type rank byte

const (
	hitText   rank = iota // records that are hits, and events
	hitImage              // their images
	readText              // other records
	readImage             // their images
	ranks     = 4
)

func (r rank) image() bool { return r == hitImage || r == readImage }
func (r rank) hit() bool   { return r <= hitImage }

// part is which of a record's items something is. The order is the queue's.
type part byte

const (
	partEvent part = 1 + iota
	partRecord
	partPatch
	partOverview
)

var kinds = map[part]string{
	partEvent:    wire.KindEvent,
	partRecord:   wire.KindRecord,
	partPatch:    wire.KindPatch,
	partOverview: wire.KindOverview,
}

// partOf is the way back from a receipt's word; 0 for an unknown one.
func partOf(kind string) part {
	for p, k := range kinds {
		if k == kind {
			return p
		}
	}
	return 0
}

// itemID names one item of the buffer, in the order of the queue.
type itemID struct {
	rank     rank
	sequence uint64
	part     part
}

const idSize = 10

// bytes is the item's key in the database, and what its box is bound to.
func (id itemID) bytes() []byte {
	b := make([]byte, 0, idSize)
	b = append(b, byte(id.rank))
	b = binary.BigEndian.AppendUint64(b, id.sequence)
	return append(b, byte(id.part))
}

func parseID(b []byte) (itemID, error) {
	if len(b) != idSize {
		return itemID{}, fmt.Errorf("%w: an item's key has %d bytes", errDamaged, len(b))
	}
	id := itemID{rank: rank(b[0]), sequence: binary.BigEndian.Uint64(b[1:]), part: part(b[9])}
	if id.rank >= ranks || kinds[id.part] == "" || id.rank.image() != (id.part == partPatch || id.part == partOverview) {
		return itemID{}, fmt.Errorf("%w: an item's key is %x", errDamaged, b)
	}
	return id, nil
}

// day is when an item was captured, in days since 1970, as far as that was
// proved; 0 where it was not. It is all that is kept unsealed of a capture's
// time: enough to let go by age.
type day uint16

func dayOf(s nrd.Stamp) day {
	days := s.UTC.Unix() / (24 * 60 * 60)
	if !s.Proved || days <= 0 || days > 0xffff {
		return 0
	}
	return day(days)
}

// ref is where an image's box lies.
type ref struct {
	segment        uint32
	offset, length uint32
}

// stored is an item's value in the database: a text's box is in it, an image's
// is where ref says.
type stored struct {
	day day
	box []byte
	ref ref
}

const (
	daySize = 2
	refSize = 12
)

func (s stored) bytes(id itemID) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(s.day))
	if !id.rank.image() {
		return append(b, s.box...)
	}
	b = binary.BigEndian.AppendUint32(b, s.ref.segment)
	b = binary.BigEndian.AppendUint32(b, s.ref.offset)
	return binary.BigEndian.AppendUint32(b, s.ref.length)
}

// parseStored reads a value; its box is part of b.
func parseStored(id itemID, b []byte) (stored, error) {
	if len(b) < daySize || id.rank.image() && len(b) != daySize+refSize {
		return stored{}, fmt.Errorf("%w: the value has %d bytes", errDamaged, len(b))
	}
	s := stored{day: day(binary.BigEndian.Uint16(b))}
	if !id.rank.image() {
		s.box = b[daySize:]
		return s, nil
	}
	s.ref = ref{
		segment: binary.BigEndian.Uint32(b[2:]),
		offset:  binary.BigEndian.Uint32(b[6:]),
		length:  binary.BigEndian.Uint32(b[10:]),
	}
	return s, nil
}

// cost is what an item of text is taken to need on disk. The database's pages
// are between half and quite full.
func cost(value []byte) int64 { return 2*int64(len(value)+idSize) + 64 }

// item is one thing to send, as it goes on the wire.
type item struct {
	id      itemID
	payload []byte
}
