#pragma once

#include <stddef.h>
#include <stdint.h>

// The arithmetic of a network's layers. A value is height x width x channels floats, the
// channels of a pixel side by side.

typedef struct {
    int height, width, channels;
} nrd_size;

// How a kernel is laid over a value, in pixels of it.
typedef struct {
    int height, width;                  // of the kernel
    int down, right;                    // steps from one result to the next
    int dilation_down, dilation_right;  // steps from one of the kernel's pixels to the next
    int top, left;                      // how far the first one begins outside, where all is 0
} nrd_kernel;

// A convolution's results are worked out for nrd_wide channels at once, or for half of them where no more are left.
// A value has nrd_most channels at most.
enum { nrd_wide = 16, nrd_most = 4096 };

// Makes of n bytes the floats (byte - shift) * scale.
void nrd_take(const uint8_t *bytes, size_t n, float shift, float scale, float *out);

// Convolves in with the kernel and adds the bias, for the rows of out from first to before last, and its channels from
// channel on, a multiple of nrd_wide; with rectified, what is below 0 becomes 0. For each nrd_wide channels of out, or half of
// them at the end, filled up with zeros, weights has the kernel's pixels, for each of these the channels of in, and for each of
// these its channels; bias has them all.
void nrd_convolve(const float *in, nrd_size in_size, nrd_kernel kernel, const float *weights, const float *bias, int rectified,
                  float *out, nrd_size out_size, int first, int last, int channel);

// What nrd_convolve chooses from: for every processor of its kind, for those with AVX2 and FMA and those with AVX-512 too
// (x86-64), for those with NEON (32-bit ARM).
typedef void nrd_convolution(const float *in, nrd_size in_size, nrd_kernel kernel, const float *weights, const float *bias, int rectified,
                             float *out, nrd_size out_size, int first, int last, int channel);
nrd_convolution nrd_convolve_plain, nrd_convolve_avx2, nrd_convolve_avx512, nrd_convolve_neon;

// Puts for each pixel of in, which is in_size.channels = 4 x channels of it, two by two pixels.
void nrd_spread(const float *in, nrd_size in_size, float *out);

// The largest of each kernel's pixels, a channel by itself. The kernel lies inside in.
void nrd_largest(const float *in, nrd_size in_size, nrd_kernel kernel, float *out, nrd_size out_size);

void nrd_add(const float *a, const float *b, size_t n, float *out);
