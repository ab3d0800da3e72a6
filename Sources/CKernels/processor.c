#include "CKernels.h"

// The compiler's macros tell for which processor it compiles.
const char *nas_missing_feature(void) {
#if defined(__x86_64__)
#define REQUIRE(feature) \
  if (!__builtin_cpu_supports(feature)) return feature
#ifdef __AVX__
  REQUIRE("avx");
#endif
#ifdef __AVX2__
  REQUIRE("avx2");
#endif
#ifdef __FMA__
  REQUIRE("fma");
#endif
#ifdef __BMI2__
  REQUIRE("bmi2");
#endif
#ifdef __AVX512F__
  REQUIRE("avx512f");
#endif
#ifdef __AVX512BW__
  REQUIRE("avx512bw");
#endif
#ifdef __AVX512DQ__
  REQUIRE("avx512dq");
#endif
#ifdef __AVX512VL__
  REQUIRE("avx512vl");
#endif
#ifdef __AVX512VBMI2__
  REQUIRE("avx512vbmi2");
#endif
#ifdef __AVX512BF16__
  REQUIRE("avx512bf16");
#endif
#endif
  return 0;
}
