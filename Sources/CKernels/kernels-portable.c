#include "kernel-choice.h"

// Without AVX, even if everything else is compiled for it.
#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("no-avx"))), apply_to = function)
#endif
#define TABLE nas_portable_kernels
#include "kernels.h"
#if defined(__x86_64__)
#pragma clang attribute pop
#endif
