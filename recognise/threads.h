#pragma once

#ifdef __cplusplus
extern "C" {
#endif

void nrd_set_threads(int threads);

#ifdef __cplusplus
}
#endif
