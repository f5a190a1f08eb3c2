package recognise

// #include "threads.h"
import "C"

// SetThreads says how many threads OpenCV may use in this process, so that the
// processor time of a frame can be foreseen. gocv has no call for it. One thread
// a camera is right where a unit has as many cameras as cores; 0 means one.
func SetThreads(n int) { C.nrd_set_threads(C.int(max(n, 1))) }
