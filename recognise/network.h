#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// A network is opened from a file in ONNX's format, given as bytes. Each function
// that can fail returns null, or else what went wrong, which the caller frees.
char *nrd_network_open(const void *onnx, size_t size, void **network);
void nrd_network_close(void *network);

// Runs a network on a cv::Mat of 8 bits with one or three channels, whose values
// are taken as (value - shift) * scale, plane by plane. sizes gets the sizes of the
// result, which has four dimensions, values the address of its numbers; they are
// the network's and stand until it runs again.
char *nrd_network_run(void *network, void *picture, double shift, double scale, int sizes[4], float **values);

#ifdef __cplusplus
}
#endif
