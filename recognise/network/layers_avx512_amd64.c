// The convolution for processors with AVX-512: 16 of its 32 registers hold sums. Two units multiply and add, each with four
// sums under way at once; and few maps' widths leave over some of eight pixels.
#pragma GCC target("avx512f")
#define CONVOLVE nrd_convolve_avx512
#define LANES 16
#define TOGETHER 8
#define SHORTER nrd_convolve_avx2
#include "convolution.h"
