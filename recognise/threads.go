package recognise

// #include "threads.h"
import "C"

import "nrd/recognise/network"

// SetThreads says how many threads our networks, and OpenCV, for which gocv has no call,
// may use in this process, so that the processor time of a frame can be foreseen; at first
// it is one a core. One thread a camera is right where a unit has as many cameras as
// cores; 0 means one.
func SetThreads(n int) {
	C.nrd_set_threads(C.int(max(n, 1)))
	network.SetThreads(max(n, 1))
}
