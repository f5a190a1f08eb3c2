package hotlist

import (
	"encoding/binary"
	"errors"
	"math/bits"

	"nrd"
	"nrd/internal/sealed"
)

// status is one vehicle's: which of the list's kinds of entry stands for it, and
// the line it came from.
type status struct {
	vrm  packedVRM
	line uint32
	kind uint8
}

// packedVRM is a VRM, filled up with zeros: its order is that of the texts. high has
// its first eight characters.
type packedVRM struct{ high, low uint64 }

func packVRM(v nrd.VRM) packedVRM {
	var b [16]byte
	copy(b[:], v)
	return packed(b)
}

func packed(b [16]byte) packedVRM {
	return packedVRM{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func (p packedVRM) bytes() [16]byte {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], p.high)
	binary.BigEndian.PutUint64(b[8:], p.low)
	return b
}

// opening is a VRM's first seven characters as a number of 37 bits: its order is theirs.
func (p packedVRM) opening() uint64 {
	n := uint64(0)
	for shift := 56; shift > 0; shift -= 8 {
		n = n*37 + rank(byte(p.high>>shift))
	}
	return n
}

// rank is a character's place among nothing, the digits and the letters, from 0 to 36.
func rank(c byte) uint64 {
	switch {
	case c >= 'A':
		return 11 + uint64(min(c, 'Z')-'A')
	case c >= '0':
		return 1 + uint64(min(c, '9')-'0')
	default:
		return 0
	}
}

func (p packedVRM) length() int {
	if p.low != 0 {
		return 16 - bits.TrailingZeros64(p.low)/8
	}
	return 8 - min(bits.TrailingZeros64(p.high), 64)/8
}

func (p packedVRM) vrm() nrd.VRM {
	b := p.bytes()
	return nrd.VRM(b[:p.length()])
}

func (p packedVRM) compare(q packedVRM) int {
	switch {
	case p == q:
		return 0
	case p.high < q.high || (p.high == q.high && p.low < q.low):
		return -1
	default:
		return 1
	}
}

// shared is how many characters two marks begin with alike.
func (p packedVRM) shared(q packedVRM) int {
	if x := p.high ^ q.high; x != 0 {
		return bits.LeadingZeros64(x) / 8
	}
	return min(8+bits.LeadingZeros64(p.low^q.low)/8, p.length(), q.length())
}

// A block is sealed: how many statuses, then those in the order of their VRMs, then
// zeros. A status is a byte with two halves, how many characters its VRM begins with
// like the one before and how many follow; those that follow; its kind; its line.
//
// A match opens one block. It is small because of the units whose processors have no
// instructions for AES, such as a Raspberry Pi 4's: in them it is nearly all that a match
// takes. The seals are two ninths of the file.
const (
	blockSize   = 128
	blockText   = blockSize - sealed.Overhead
	blockCounts = 1
	// statusRest is what a status takes beside its characters.
	statusRest = 1 + 1 + 4
)

// block is one being filled.
type block struct {
	text  []byte
	count uint8
	last  packedVRM
}

// add says whether there was room.
func (b *block) add(s status) bool {
	if b.count == 0 {
		b.text, b.last = append(b.text[:0], 0), packedVRM{}
	}
	shared, text, length, before := b.last.shared(s.vrm), s.vrm.bytes(), s.vrm.length(), len(b.text)
	b.text = append(b.text, byte(shared<<4|(length-shared)))
	b.text = append(b.text, text[shared:length]...)
	b.text = binary.BigEndian.AppendUint32(append(b.text, s.kind), s.line)
	if len(b.text) > blockText {
		b.text = b.text[:before]
		return false
	}
	b.last = s.vrm
	b.count++
	return true
}

// take gives the block's text and empties it.
func (b *block) take() []byte {
	b.text[0], b.count = b.count, 0
	return append(b.text, make([]byte, blockText-len(b.text))...)
}

var errBlock = errors.New("a block does not hold what it says")

// eachStatus gives a block's statuses in their order, until do says that it has
// enough.
func eachStatus(text []byte, do func(status) (more bool)) error {
	if len(text) < blockCounts {
		return errBlock
	}
	count, text := text[0], text[blockCounts:]
	var s status
	for range count {
		if len(text) == 0 {
			return errBlock
		}
		shared, more := int(text[0]>>4), int(text[0]&15)
		if shared+more > nrd.MaxVRM || len(text) < more+statusRest {
			return errBlock
		}
		s.vrm = s.vrm.follow(shared, text[1:1+more])
		s.kind, s.line = text[1+more], binary.BigEndian.Uint32(text[2+more:])
		text = text[more+statusRest:]
		if !do(s) {
			return nil
		}
	}
	return nil
}

// follow gives the mark that begins with so many characters of p.
func (p packedVRM) follow(shared int, rest []byte) packedVRM {
	b := p.bytes()
	clear(b[shared+copy(b[shared:], rest):])
	return packed(b)
}
