#include <cstdlib> // says whether the library is glibc

#ifdef __GLIBC__
#include <malloc.h>

namespace {

// How many heaps C's allocator keeps. It would make eight for each core, as Go
// calls it from many threads, and each would hold on to what a picture once needed.
constexpr int arenas = 1;
// The size in bytes from which memory is given back to the system when it is
// freed: a photograph's and what a close look at it takes, not a small layer's. And how
// much at the heap's end stays for what comes next: taking it from the system anew costs
// more than the arithmetic.
constexpr int whole = 1 << 20;
constexpr int spare = 8 << 20;

// Before main, and so before there is a second thread with a heap of its own.
__attribute__((constructor)) void bound_memory() {
    mallopt(M_ARENA_MAX, arenas);
    mallopt(M_MMAP_THRESHOLD, whole);
    mallopt(M_TRIM_THRESHOLD, spare);
}

}  // namespace
#endif
