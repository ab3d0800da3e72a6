#include "kernel-choice.h"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,no-avx512f"))), apply_to = function)
#define TABLE nas_avx2_kernels
#include "kernels.h"
#pragma clang attribute pop
#endif
