package hotlist

import (
	"encoding/binary"
	"sync/atomic"
)

// filter says of a key either that it was not added or that it may have been: of
// keys that were not, fewer than 1 in 100 pass. It takes 10 bits for each key, 1.25
// MB for a million. (Bloom 1970; Kirsch and Mitzenmacher 2006 for two hashes in the
// place of seven.) Keys may be added while others ask.
type filter struct{ bits []uint64 }

const (
	filterBits  = 10
	filterTests = 7
)

func newFilter(keys int) filter { return filter{make([]uint64, keys*filterBits/64+1)} }

// add takes a key, of which the first 16 bytes are a keyed hash already.
func (f filter) add(key []byte) {
	at, step := filterHashes(key)
	for range filterTests {
		n := at % f.size()
		atomic.OrUint64(&f.bits[n/64], 1<<(n%64))
		at += step
	}
}

func (f filter) has(key []byte) bool {
	at, step := filterHashes(key)
	for range filterTests {
		n := at % f.size()
		if atomic.LoadUint64(&f.bits[n/64])&(1<<(n%64)) == 0 {
			return false
		}
		at += step
	}
	return true
}

func (f filter) size() uint64 { return uint64(len(f.bits)) * 64 }

func filterHashes(key []byte) (first, step uint64) {
	return binary.LittleEndian.Uint64(key), binary.LittleEndian.Uint64(key[8:]) | 1
}
