// The convolution, for processors whose vectors have LANES floats, TOGETHER pixels at a time; CONVOLVE is its name.
// It is compiled once for each kind of processor that a program may meet.
#include <string.h>

#include "layers.h"

// A vector is what one instruction works on.
typedef float vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t mask __attribute__((vector_size(4 * LANES)));

#define INLINE static inline __attribute__((always_inline))

// Some pixels side by side are worked out together, each in so many vectors at most: all of these sums stay in registers,
// and a weight is fetched once for all of the pixels. A vector of all channels of a block has the next block's beside it.
enum { vectors = LANES < nrd_wide ? nrd_wide / LANES : 2 };
typedef vector sums[TOGETHER][vectors];

// Where the weights of an operand are, how many floats after them those of the next one, and after each vector's those of
// the vector beside it.
typedef struct {
    const float *first;
    size_t next, beside;
} operand_weights;

// accumulate adds to the sums of each pixel n operands, which lie side by side from `from` on, times their weights.
INLINE void accumulate(const int used, const float *const from[TOGETHER], int n, operand_weights weights, sums sum) {
    sums now;   // in registers, which what has an address is not
#pragma GCC unroll 8
    for (int p = 0; p < TOGETHER; p++) {
#pragma GCC unroll 4
        for (int v = 0; v < used; v++) now[p][v] = sum[p][v];
    }
    int k = 0;
#if defined(__aarch64__)
    // It multiplies by one number of a vector: so four operands are fetched at once.
    for (; k + LANES <= n; k += LANES) {
        vector operands[TOGETHER];
#pragma GCC unroll 8
        for (int p = 0; p < TOGETHER; p++) operands[p] = *(const vector *)(from[p] + k);
#pragma GCC unroll 4
        for (int lane = 0; lane < LANES; lane++) {
#pragma GCC unroll 4
            for (int v = 0; v < used; v++) {
                const vector weight = *(const vector *)(weights.first + (k + lane) * weights.next + v * weights.beside);
#pragma GCC unroll 8
                for (int p = 0; p < TOGETHER; p++) now[p][v] += operands[p][lane] * weight;
            }
        }
    }
#endif
    for (; k < n; k++) {
        vector weight[vectors];
#pragma GCC unroll 4
        for (int v = 0; v < used; v++) weight[v] = *(const vector *)(weights.first + k * weights.next + v * weights.beside);
#pragma GCC unroll 8
        for (int p = 0; p < TOGETHER; p++) {
#pragma GCC unroll 4
            for (int v = 0; v < used; v++) now[p][v] += from[p][k] * weight[v];
        }
    }
#pragma GCC unroll 8
    for (int p = 0; p < TOGETHER; p++) {
#pragma GCC unroll 4
        for (int v = 0; v < used; v++) sum[p][v] = now[p][v];
    }
}

// What lies over the edge.
static const float nothing[nrd_most];

// at_edge accumulates where some of the kernel's pixels lie over the edge, one of them after the other.
INLINE void at_edge(const int used, const float *in, nrd_size size, nrd_kernel k, int top, int left, int some, operand_weights weights, sums sum) {
    for (int ky = 0; ky < k.height; ky++) {
        const int y = top + ky * k.dilation_down;
        for (int kx = 0; kx < k.width; kx++, weights.first += size.channels * weights.next) {
            const float *from[TOGETHER];
            for (int p = 0; p < TOGETHER; p++) {
                const int x = left + (p < some ? p : 0) * k.right + kx * k.dilation_right;
                const int inside = y >= 0 && y < size.height && x >= 0 && x < size.width;
                from[p] = inside ? in + ((ptrdiff_t)y * size.width + x) * size.channels : nothing;
            }
            accumulate(used, from, size.channels, weights, sum);
        }
    }
}

// inside accumulates where all of the kernel's pixels lie inside.
INLINE void inside(const int used, const float *in, nrd_size size, nrd_kernel k, int top, int left, int some, operand_weights weights, sums sum) {
    // A row of the kernel lies side by side where it has no gaps.
    const int pieces = k.dilation_right == 1 ? 1 : k.width, piece = k.width / pieces * size.channels;
    for (int ky = 0; ky < k.height; ky++) {
        const float *line = in + ((ptrdiff_t)(top + ky * k.dilation_down) * size.width + left) * size.channels;
        for (int part = 0; part < pieces; part++, weights.first += piece * weights.next) {
            const float *from[TOGETHER];
            for (int p = 0; p < TOGETHER; p++) from[p] = line + ((p < some ? p : 0) * k.right + part * k.dilation_right) * size.channels;
            accumulate(used, from, piece, weights, sum);
        }
    }
}

// block works out `used` vectors of channels of a convolution's results, of which so many are not filled up.
INLINE void block(const int used, int channels, const float *in, nrd_size in_size, nrd_kernel k, operand_weights weights, const float *bias,
                  int rectified, float *out, nrd_size out_size, int first, int last) {
    for (int y = first; y < last; y++) {
        const int top = y * k.down - k.top, bottom = top + (k.height - 1) * k.dilation_down;
        for (int x = 0; x < out_size.width; x += TOGETHER) {
            const int some = out_size.width - x < TOGETHER ? out_size.width - x : TOGETHER;
            const int left = x * k.right - k.left, right = left + (some - 1) * k.right + (k.width - 1) * k.dilation_right;
            sums sum;
#pragma GCC unroll 8
            for (int p = 0; p < TOGETHER; p++) {
#pragma GCC unroll 4
                for (int v = 0; v < used; v++) sum[p][v] = *(const vector *)(bias + v * LANES);
            }
            if (top >= 0 && left >= 0 && bottom < in_size.height && right < in_size.width)
                inside(used, in, in_size, k, top, left, some, weights, sum);
            else
                at_edge(used, in, in_size, k, top, left, some, weights, sum);
            for (int p = 0; p < some; p++) {
                float *to = out + ((size_t)y * out_size.width + x + p) * out_size.channels;
#pragma GCC unroll 4
                for (int v = 0; v < used; v++, to += LANES) {
                    vector s = sum[p][v];
                    if (rectified) s = (vector)((mask)s & (s > 0));
                    const int left_over = channels - v * LANES;
                    if (left_over >= LANES)
                        *(vector *)to = s;
                    else if (left_over > 0)
                        memcpy(to, &s, left_over * sizeof(float));
                }
            }
        }
    }
}

void CONVOLVE(const float *in, nrd_size in_size, nrd_kernel kernel, const float *weights, const float *bias, int rectified,
              float *out, nrd_size out_size, int first, int last, int channel) {
    const size_t operands = (size_t)kernel.height * kernel.width * in_size.channels;
#define BLOCK(used, next, beside) \
    block(used, channels, in, in_size, kernel, (operand_weights){weights + channel * operands, next, beside}, bias + channel, rectified, \
          out + channel, out_size, first, last)
    while (channel < out_size.channels) {
        const int channels = out_size.channels - channel;
#ifdef SHORTER   // a vector is too long for a part of a block
        if (channels < nrd_wide) {
            SHORTER(in, in_size, kernel, weights, bias, rectified, out, out_size, first, last, channel);
        } else if (channels <= nrd_wide + nrd_wide / 2) {
            BLOCK(1, LANES, 0);
        } else {
            BLOCK(2, LANES, LANES * operands);
            channel += nrd_wide;
        }
#else
        if (channels <= nrd_wide / 2)
            BLOCK(vectors / 2, nrd_wide / 2, LANES);
        else
            BLOCK(vectors, nrd_wide, LANES);
#endif
        channel += nrd_wide;
    }
}
