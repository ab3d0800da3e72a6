#include "kernel-choice.h"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
#define TABLE nas_avx512_kernels
#include "kernels.h"
#pragma clang attribute pop
#endif
