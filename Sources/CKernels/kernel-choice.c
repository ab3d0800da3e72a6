#include "kernel-choice.h"

const struct nas_kernels *nas_kernels_with(enum nas_instructions set) {
  switch (set) {
  case NAS_PORTABLE: return &nas_portable_kernels;
#if defined(__x86_64__)
  case NAS_AVX2:
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &nas_avx2_kernels : NULL;
  case NAS_AVX512:
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
               ? &nas_avx512_kernels
               : NULL;
#endif
  default: return NULL;
  }
}

enum nas_instructions nas_best_instructions(void) {
  if (nas_kernels_with(NAS_AVX512)) return NAS_AVX512;
  return nas_kernels_with(NAS_AVX2) ? NAS_AVX2 : NAS_PORTABLE;
}

const struct nas_kernels *nas_best_kernels(void) { return nas_kernels_with(nas_best_instructions()); }
