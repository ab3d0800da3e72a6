#include "panels.h"

// Products and sums in registers only: 24 independent chains, as many as the packed products have.

enum { CHAINS = 24 };

static double portable_rounds(ptrdiff_t rounds) {
  typedef float four __attribute__((vector_size(16)));
  four sum[8] = {0}, half = {0.5f, 0.5f, 0.5f, 0.5f};
  for (ptrdiff_t round = 0; round < rounds; round++)
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i++) sum[i] = sum[i] * half + half;
  for (int i = 1; i < 8; i++) sum[0] += sum[i];
  volatile float result = sum[0][0];
  (void)result;
  return (double)rounds * 8 * 4 * 2;
}

#if defined(__x86_64__)

WITH_AVX512 static double avx512_rounds(ptrdiff_t rounds) {
  __m512 sum[CHAINS], half = _mm512_set1_ps(0.5f);
#pragma clang loop unroll(full)
  for (int i = 0; i < CHAINS; i++) sum[i] = half;
  for (ptrdiff_t round = 0; round < rounds; round++)
#pragma clang loop unroll(full)
    for (int i = 0; i < CHAINS; i++) sum[i] = _mm512_fmadd_ps(sum[i], half, half);
#pragma clang loop unroll(full)
  for (int i = 1; i < CHAINS; i++) sum[0] += sum[i];
  volatile float result = _mm512_reduce_add_ps(sum[0]);
  (void)result;
  return (double)rounds * CHAINS * 16 * 2;
}

__attribute__((target("avx2,fma"))) static double avx2_rounds(ptrdiff_t rounds) {
  __m256 sum[12], half = _mm256_set1_ps(0.5f);
#pragma clang loop unroll(full)
  for (int i = 0; i < 12; i++) sum[i] = half;
  for (ptrdiff_t round = 0; round < rounds; round++)
#pragma clang loop unroll(full)
    for (int i = 0; i < 12; i++) sum[i] = _mm256_fmadd_ps(sum[i], half, half);
#pragma clang loop unroll(full)
  for (int i = 1; i < 12; i++) sum[0] += sum[i];
  volatile float result = _mm256_cvtss_f32(sum[0]);
  (void)result;
  return (double)rounds * 12 * 8 * 2;
}

#endif

double nas_single_peak(ptrdiff_t rounds) {
#if defined(__x86_64__)
  if (nas_kernels_with(NAS_AVX512)) return avx512_rounds(rounds);
  if (nas_kernels_with(NAS_AVX2)) return avx2_rounds(rounds);
#endif
  return portable_rounds(rounds);
}
