// The convolution for 32-bit processors with NEON, which Debian's programs may not count on. GCC uses it only
// where it may take numbers too small for it for 0.
#pragma GCC optimize("unsafe-math-optimizations")
#pragma GCC target("fpu=neon")
#define CONVOLVE nrd_convolve_neon
#define LANES 4
#define TOGETHER 2
#include "convolution.h"
