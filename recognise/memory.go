package recognise

// #include "memory.h"
import "C"

const (
	// arenas is how many heaps C's allocator keeps. It would make eight for
	// each core, as Go calls it from many threads, and each would hold on to
	// what a picture once needed: a fifth of the unit's memory.
	arenas = 1
	// wholeFrom is the size in bytes from which memory is given back to the
	// system when it is freed: a picture's, not a layer's.
	wholeFrom = 1 << 20
)

func init() { C.nrd_bound_memory(arenas, wholeFrom) }
