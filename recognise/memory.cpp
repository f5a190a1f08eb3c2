#include "memory.h"

#include <cstdlib> // says whether the library is glibc

#ifdef __GLIBC__
#include <malloc.h>
#endif

void nrd_bound_memory(int arenas, int whole) {
#ifdef __GLIBC__
	mallopt(M_ARENA_MAX, arenas);
	mallopt(M_MMAP_THRESHOLD, whole);
#else
	(void)arenas;
	(void)whole;
#endif
}
