#define CONVOLVE nrd_convolve_plain
#define LANES 4
#if defined(__x86_64__)
#define TOGETHER 2   // of 16 registers
#elif defined(__aarch64__)
#define TOGETHER 4   // of 32
#else
#define TOGETHER 1   // a register holds one float
#endif
#include "convolution.h"

// fastest is what this processor is best at.
#if defined(__x86_64__)
static nrd_convolution *fastest(void) {
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return nrd_convolve_avx512;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? nrd_convolve_avx2 : nrd_convolve_plain;
}
#elif defined(__arm__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
static nrd_convolution *fastest(void) { return getauxval(AT_HWCAP) & HWCAP_NEON ? nrd_convolve_neon : nrd_convolve_plain; }
#else
static nrd_convolution *fastest(void) { return nrd_convolve_plain; }
#endif

void nrd_convolve(const float *in, nrd_size in_size, nrd_kernel kernel, const float *weights, const float *bias, int rectified,
                  float *out, nrd_size out_size, int first, int last, int channel) {
    fastest()(in, in_size, kernel, weights, bias, rectified, out, out_size, first, last, channel);
}

void nrd_take(const uint8_t *bytes, size_t n, float shift, float scale, float *out) {
    for (size_t i = 0; i < n; i++) out[i] = (bytes[i] - shift) * scale;
}

void nrd_add(const float *a, const float *b, size_t n, float *out) {
    for (size_t i = 0; i < n; i++) out[i] = a[i] + b[i];
}

void nrd_spread(const float *in, nrd_size in_size, float *out) {
    const size_t pair = in_size.channels / 2;   // two pixels side by side
    for (int y = 0; y < in_size.height; y++) {
        for (int lower = 0; lower < 2; lower++) {
            for (int x = 0; x < in_size.width; x++) {
                memcpy(out, in + ((size_t)y * in_size.width + x) * in_size.channels + lower * pair, pair * sizeof(float));
                out += pair;
            }
        }
    }
}

void nrd_largest(const float *in, nrd_size in_size, nrd_kernel kernel, float *out, nrd_size out_size) {
    const int channels = in_size.channels;
    for (int y = 0; y < out_size.height; y++) {
        for (int x = 0; x < out_size.width; x++, out += channels) {
            const float *corner = in + ((size_t)y * kernel.down * in_size.width + (size_t)x * kernel.right) * channels;
            memcpy(out, corner, channels * sizeof(float));
            for (int ky = 0; ky < kernel.height; ky++) {
                for (int kx = 0; kx < kernel.width; kx++) {
                    const float *from = corner + ((size_t)ky * in_size.width + kx) * channels;
                    for (int c = 0; c < channels; c++) out[c] = from[c] > out[c] ? from[c] : out[c];
                }
            }
        }
    }
}
