#include "panels.h"

// ---- in software ----

static inline float widened(uint16_t x) {
  uint32_t bits = (uint32_t)x << 16;
  float result;
  memcpy(&result, &bits, sizeof result);
  return result;
}

static inline uint32_t pair(float low, float high) {
  return nas_bfloat16_pattern(low) | (uint32_t)nas_bfloat16_pattern(high) << 16;
}

static void pack_portable(
    const float *x, ptrdiff_t rows, ptrdiff_t k, ptrdiff_t stride, float scale, ptrdiff_t lines, ptrdiff_t width,
    uint32_t *packed) {
  for (ptrdiff_t i = 0; i < k; i += 2, packed += width)
    for (ptrdiff_t line = 0; line < lines; line++) {
      const float *row = x + line * stride + i;
      packed[line] = line < rows ? pair(scale * row[0], i + 1 < k ? scale * row[1] : 0) : 0;
    }
}

static void pack_right_portable(const float *x, ptrdiff_t k, ptrdiff_t n, ptrdiff_t stride, uint32_t *packed) {
  for (ptrdiff_t panel = 0; panel < n; panel += COLUMNS)
    for (ptrdiff_t i = 0; i < k; i += 2, packed += COLUMNS)
      for (ptrdiff_t j = 0; j < COLUMNS; j++) {
        const float *value = x + i * stride + panel + j;
        packed[j] = panel + j < n ? pair(value[0], i + 1 < k ? value[stride] : 0) : 0;
      }
}

void nas_bfloat16_multiply_portable(
    ptrdiff_t m, ptrdiff_t n, ptrdiff_t words, const uint32_t *left, const uint32_t *right, ptrdiff_t right_words,
    float *c, ptrdiff_t stride, bool accumulate) {
  for (ptrdiff_t i = 0; i < m; i++)
    for (ptrdiff_t j = 0; j < n; j++) {
      const uint32_t *a = left + i / ROWS * ROWS * words + i % ROWS;
      const uint32_t *b = right + j / COLUMNS * COLUMNS * right_words + j % COLUMNS;
      float sum = 0;
      for (ptrdiff_t word = 0; word < words; word++, a += ROWS, b += COLUMNS)
        sum += widened((uint16_t)*a) * widened((uint16_t)*b) + widened(*a >> 16) * widened(*b >> 16);
      c[i * stride + j] = accumulate ? c[i * stride + j] + sum : sum;
    }
}

// ---- with AVX-512 ----

#if defined(__x86_64__)

#define WITH_BFLOAT16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))

bool nas_bfloat16_is_supported(void) {
  return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

WITH_BFLOAT16 static void pack_rows(
    const float *x, ptrdiff_t rows, ptrdiff_t k, ptrdiff_t stride, float scale, ptrdiff_t lines, ptrdiff_t width,
    uint32_t *packed) {
  __m512 factor = _mm512_set1_ps(scale);
  for (ptrdiff_t start = 0; start < k; start += 32) {
    __mmask16 low = first(k - start), high = first(k - start - 16);
    __m512i r[16];
    for (int i = 0; i < 16; i++) {
      if (i >= rows) {
        r[i] = _mm512_setzero_si512();
        continue;
      }
      const float *row = x + i * stride + start;
      __m512 a = _mm512_mul_ps(_mm512_maskz_loadu_ps(low, row), factor);
      __m512 b = _mm512_mul_ps(_mm512_maskz_loadu_ps(high, row + 16), factor);
      r[i] = (__m512i)_mm512_cvtne2ps_pbh(b, a);
    }
    store_transposed(r, least(16, (k - start + 1) / 2), lines, width, packed + start / 2 * width);
  }
}

WITH_BFLOAT16 static void pack_right_fast(
    const float *x, ptrdiff_t k, ptrdiff_t n, ptrdiff_t stride, uint32_t *packed) {
  __m512i order = _mm512_set_epi16(
      31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  for (ptrdiff_t panel = 0; panel < n; panel += COLUMNS)
    for (ptrdiff_t i = 0; i < k; i += 2, packed += COLUMNS)
      for (ptrdiff_t part = 0; part < COLUMNS; part += 16) {
        __mmask16 mask = first(n - panel - part);
        const float *row = x + i * stride + panel + part;
        __m512 a = _mm512_maskz_loadu_ps(mask, row);
        __m512 b = i + 1 < k ? _mm512_maskz_loadu_ps(mask, row + stride) : _mm512_setzero_ps();
        _mm512_storeu_si512(packed + part, _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(b, a)));
      }
}

// One panel of the left operand times the first 16·vectors columns of one of the right operand: 24 sums in registers.
WITH_BFLOAT16 static inline __attribute__((always_inline)) void multiply_panels(
    const int vectors, ptrdiff_t words, const uint32_t *a, const uint32_t *b, float *c, ptrdiff_t stride,
    ptrdiff_t rows, ptrdiff_t columns, bool accumulate) {
  __m512 sum[ROWS][2];
#pragma clang loop unroll(full)
  for (int i = 0; i < ROWS; i++) sum[i][0] = sum[i][1] = _mm512_setzero_ps();
  prefetch_sums(c, stride, rows);
  for (const uint32_t *end = a + words * ROWS; a != end; a += ROWS, b += COLUMNS) {
    __m512bh b0 = (__m512bh)_mm512_loadu_si512(b);
    __m512bh b1 = vectors > 1 ? (__m512bh)_mm512_loadu_si512(b + 16) : b0;
#pragma clang loop unroll(full)
    for (int i = 0; i < ROWS; i++) {
      __m512bh value = (__m512bh)_mm512_set1_epi32((int32_t)a[i]);
      sum[i][0] = _mm512_dpbf16_ps(sum[i][0], value, b0);
      if (vectors > 1) sum[i][1] = _mm512_dpbf16_ps(sum[i][1], value, b1);
    }
  }
  store_sums(vectors, sum, c, stride, rows, columns, accumulate);
}

WITH_BFLOAT16 static void wide_panels(
    ptrdiff_t words, const uint32_t *a, const uint32_t *b, float *c, ptrdiff_t stride, ptrdiff_t rows,
    ptrdiff_t columns, bool accumulate) {
  multiply_panels(2, words, a, b, c, stride, rows, columns, accumulate);
}

WITH_BFLOAT16 static void narrow_panels(
    ptrdiff_t words, const uint32_t *a, const uint32_t *b, float *c, ptrdiff_t stride, ptrdiff_t rows,
    ptrdiff_t columns, bool accumulate) {
  multiply_panels(1, words, a, b, c, stride, rows, columns, accumulate);
}

static row_packing *fastest_packing(void) { return nas_bfloat16_is_supported() ? pack_rows : pack_portable; }

#else

bool nas_bfloat16_is_supported(void) { return false; }

static row_packing *fastest_packing(void) { return pack_portable; }

#endif

// ---- whichever there is ----

void nas_bfloat16_round(float *x, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) x[i] = widened(nas_bfloat16_pattern(x[i]));
}

void nas_bfloat16_pack_left(
    const float *x, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, float scale, uint32_t *packed) {
  pack_left_panels(fastest_packing(), x, rows, columns, (columns + 1) / 2, stride, scale, packed);
}

void nas_bfloat16_pack_right_transposed(const float *x, ptrdiff_t n, ptrdiff_t k, ptrdiff_t stride, uint32_t *packed) {
  pack_right_panels(fastest_packing(), x, n, k, (k + 1) / 2, stride, packed);
}

void nas_bfloat16_pack_right(const float *x, ptrdiff_t k, ptrdiff_t n, ptrdiff_t stride, uint32_t *packed) {
#if defined(__x86_64__)
  if (nas_bfloat16_is_supported()) {
    pack_right_fast(x, k, n, stride, packed);
    return;
  }
#endif
  pack_right_portable(x, k, n, stride, packed);
}

void nas_bfloat16_multiply(
    ptrdiff_t m, ptrdiff_t n, ptrdiff_t words, const uint32_t *left, const uint32_t *right, ptrdiff_t right_words,
    float *c, ptrdiff_t stride, bool accumulate) {
#if defined(__x86_64__)
  if (nas_bfloat16_is_supported()) {
    multiply_blocks(wide_panels, narrow_panels, m, n, words, left, right, right_words, c, stride, accumulate);
    return;
  }
#endif
  nas_bfloat16_multiply_portable(m, n, words, left, right, right_words, c, stride, accumulate);
}
