#pragma once

#ifdef __cplusplus
extern "C" {
#endif

void nrd_bound_memory(int arenas, int whole);

#ifdef __cplusplus
}
#endif
