#include "kernel-choice.h"

const struct nas_kernels *nas_kernels_with(enum nas_instructions set) {
  switch (set) {
  case NAS_PORTABLE: return &nas_portable_kernels;
#if defined(__x86_64__)
  case NAS_AVX2: return __builtin_cpu_supports("avx2") ? &nas_avx2_kernels : NULL;
  case NAS_AVX512:
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
               ? &nas_avx512_kernels
               : NULL;
#endif
  default: return NULL;
  }
}

const struct nas_kernels *nas_best_kernels(void) {
  const struct nas_kernels *best = nas_kernels_with(NAS_AVX512);
  if (!best) best = nas_kernels_with(NAS_AVX2);
  return best ? best : &nas_portable_kernels;
}
