// The convolution for processors with AVX2, which a program for x86-64 may not count on.
#pragma GCC target("avx2,fma")
#define CONVOLVE nrd_convolve_avx2
#define LANES 8
#define TOGETHER 6
#include "convolution.h"
