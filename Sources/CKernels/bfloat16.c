#include "CKernels.h"

#include <string.h>

enum { ROWS = NAS_PANEL_ROWS, COLUMNS = NAS_PANEL_COLUMNS };

static inline ptrdiff_t least(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

// ---- in software ----

static inline uint16_t narrowed(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  if (x != x) return (uint16_t)(bits >> 16 | 0x40);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline float widened(uint16_t x) {
  uint32_t bits = (uint32_t)x << 16;
  float result;
  memcpy(&result, &bits, sizeof result);
  return result;
}

// Packs `lines` rows of x as panels of `width` lines.
static void pack_portable(
    const float *x, ptrdiff_t lines, ptrdiff_t k, ptrdiff_t stride, float scale, ptrdiff_t width, uint16_t *packed) {
  ptrdiff_t pairs = (k + 1) / 2;
  for (ptrdiff_t panel = 0; panel < lines; panel += width, packed += pairs * width * 2)
    for (ptrdiff_t pair = 0; pair < pairs; pair++)
      for (ptrdiff_t line = 0; line < width; line++)
        for (ptrdiff_t half = 0; half < 2; half++) {
          ptrdiff_t column = 2 * pair + half;
          bool inside = panel + line < lines && column < k;
          packed[(pair * width + line) * 2 + half] =
              inside ? narrowed(scale * x[(panel + line) * stride + column]) : 0;
        }
}

void nas_bfloat16_multiply_portable(
    ptrdiff_t m, ptrdiff_t n, ptrdiff_t pairs, const uint16_t *left, const uint16_t *right, ptrdiff_t right_pairs, float *c,
    ptrdiff_t stride, bool accumulate) {
  for (ptrdiff_t i = 0; i < m; i++)
    for (ptrdiff_t j = 0; j < n; j++) {
      const uint16_t *a = left + i / ROWS * ROWS * pairs * 2 + i % ROWS * 2;
      const uint16_t *b = right + j / COLUMNS * COLUMNS * right_pairs * 2 + j % COLUMNS * 2;
      float sum = 0;
      for (ptrdiff_t pair = 0; pair < pairs; pair++, a += ROWS * 2, b += COLUMNS * 2)
        sum += widened(a[0]) * widened(b[0]) + widened(a[1]) * widened(b[1]);
      c[i * stride + j] = accumulate ? c[i * stride + j] + sum : sum;
    }
}

// ---- with AVX-512 ----

#if defined(__x86_64__)

#include <immintrin.h>

#define WITH_BFLOAT16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))

bool nas_bfloat16_is_supported(void) {
  return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

// The first n of 16 lanes.
static inline __mmask16 first(ptrdiff_t n) { return n >= 16 ? 0xffff : n <= 0 ? 0 : (__mmask16)((1 << n) - 1); }

// Transposes 16 × 16 words of 32 bits.
WITH_BFLOAT16 static inline void transpose(__m512i r[16]) {
  __m512i t[16];
  for (int i = 0; i < 8; i++) {
    t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; i++) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; i++) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

// Packs up to 16 rows as `lines` neighbours in panels of `width` lines.
WITH_BFLOAT16 static void pack_rows(
    const float *x, ptrdiff_t rows, ptrdiff_t k, ptrdiff_t stride, float scale, ptrdiff_t lines, ptrdiff_t width,
    uint16_t *packed) {
  ptrdiff_t pairs = (k + 1) / 2;
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
    transpose(r);
    ptrdiff_t count = least(16, pairs - start / 2);
    for (ptrdiff_t i = 0; i < count; i++)
      _mm512_mask_storeu_epi32(packed + (start / 2 + i) * width * 2, first(lines), r[i]);
  }
}

WITH_BFLOAT16 static void pack_right_fast(
    const float *x, ptrdiff_t k, ptrdiff_t n, ptrdiff_t stride, uint16_t *packed) {
  ptrdiff_t pairs = (k + 1) / 2;
  __m512i order = _mm512_set_epi16(
      31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  for (ptrdiff_t panel = 0; panel < n; panel += COLUMNS, packed += pairs * COLUMNS * 2)
    for (ptrdiff_t pair = 0; pair < pairs; pair++)
      for (ptrdiff_t part = 0; part < COLUMNS; part += 16) {
        __mmask16 mask = first(n - panel - part);
        const float *row = x + 2 * pair * stride + panel + part;
        __m512 a = _mm512_maskz_loadu_ps(mask, row);
        __m512 b = 2 * pair + 1 < k ? _mm512_maskz_loadu_ps(mask, row + stride) : _mm512_setzero_ps();
        __m512i both = _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(b, a));
        _mm512_storeu_si512(packed + (pair * COLUMNS + part) * 2, both);
      }
}

// One panel of the left operand times the first 16·vectors columns of one panel of the right one: 24 sums in registers.
WITH_BFLOAT16 static inline __attribute__((always_inline)) void multiply_panels(
    const int vectors, ptrdiff_t pairs, const uint16_t *a, const uint16_t *b, float *c, ptrdiff_t stride, ptrdiff_t rows,
    ptrdiff_t columns, bool accumulate) {
  __m512 sum[ROWS][2];
#pragma clang loop unroll(full)
  for (int i = 0; i < ROWS; i++) sum[i][0] = sum[i][1] = _mm512_setzero_ps();
  for (const uint16_t *end = a + pairs * ROWS * 2; a != end; a += ROWS * 2, b += COLUMNS * 2) {
    __m512bh b0 = (__m512bh)_mm512_loadu_si512(b);
    __m512bh b1 = vectors > 1 ? (__m512bh)_mm512_loadu_si512(b + 32) : b0;
#pragma clang loop unroll(full)
    for (int i = 0; i < ROWS; i++) {
      int32_t pair;
      memcpy(&pair, a + 2 * i, sizeof pair);
      __m512bh value = (__m512bh)_mm512_set1_epi32(pair);
      sum[i][0] = _mm512_dpbf16_ps(sum[i][0], value, b0);
      if (vectors > 1) sum[i][1] = _mm512_dpbf16_ps(sum[i][1], value, b1);
    }
  }
  __mmask16 low = first(columns), high = first(columns - 16);
#pragma clang loop unroll(full)
  for (int i = 0; i < ROWS; i++) {
    if (i >= rows) break;
    float *row = c + i * stride;
    if (accumulate) {
      sum[i][0] += _mm512_maskz_loadu_ps(low, row);
      if (vectors > 1) sum[i][1] += _mm512_maskz_loadu_ps(high, row + 16);
    }
    _mm512_mask_storeu_ps(row, low, sum[i][0]);
    if (vectors > 1) _mm512_mask_storeu_ps(row + 16, high, sum[i][1]);
  }
}

WITH_BFLOAT16 static __attribute__((noinline)) void wide_panels(
    ptrdiff_t pairs, const uint16_t *a, const uint16_t *b, float *c, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t columns,
    bool accumulate) {
  multiply_panels(2, pairs, a, b, c, stride, rows, columns, accumulate);
}

WITH_BFLOAT16 static __attribute__((noinline)) void narrow_panels(
    ptrdiff_t pairs, const uint16_t *a, const uint16_t *b, float *c, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t columns,
    bool accumulate) {
  multiply_panels(1, pairs, a, b, c, stride, rows, columns, accumulate);
}

// Blocks of the left operand stay in the second cache while all panels of the right one pass.
static void multiply_fast(
    ptrdiff_t m, ptrdiff_t n, ptrdiff_t pairs, const uint16_t *left, const uint16_t *right, ptrdiff_t right_pairs, float *c,
    ptrdiff_t stride, bool accumulate) {
  enum { PAIRS = 1024, BYTES = 384 << 10 };
  for (ptrdiff_t start = 0; start < pairs; start += PAIRS) {
    ptrdiff_t depth = least(PAIRS, pairs - start);
    ptrdiff_t block = BYTES / (depth * 4) / ROWS * ROWS;
    for (ptrdiff_t top = 0; top < m; top += block)
      for (ptrdiff_t j = 0; j < n; j += COLUMNS)
        for (ptrdiff_t i = top; i < least(top + block, m); i += ROWS)
          (n - j > 16 ? wide_panels : narrow_panels)(
              depth, left + (i * pairs + start * ROWS) * 2, right + (j * right_pairs + start * COLUMNS) * 2,
              c + i * stride + j, stride, least(ROWS, m - i), least(COLUMNS, n - j), accumulate || start > 0);
  }
}

#else

bool nas_bfloat16_is_supported(void) { return false; }

#endif

// ---- whichever there is ----

void nas_bfloat16_round(float *x, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) x[i] = widened(narrowed(x[i]));
}

void nas_bfloat16_pack_left(
    const float *x, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, float scale, uint16_t *packed) {
#if defined(__x86_64__)
  if (nas_bfloat16_is_supported()) {
    ptrdiff_t pairs = (columns + 1) / 2;
    for (ptrdiff_t i = 0; i < rows; i += ROWS)
      pack_rows(x + i * stride, least(ROWS, rows - i), columns, stride, scale, ROWS, ROWS, packed + i * pairs * 2);
    return;
  }
#endif
  pack_portable(x, rows, columns, stride, scale, ROWS, packed);
}

void nas_bfloat16_pack_right_transposed(
    const float *x, ptrdiff_t n, ptrdiff_t k, ptrdiff_t stride, uint16_t *packed) {
#if defined(__x86_64__)
  if (nas_bfloat16_is_supported()) {
    ptrdiff_t pairs = (k + 1) / 2;
    for (ptrdiff_t j = 0; j < n; j += COLUMNS)
      for (ptrdiff_t part = 0; part < COLUMNS; part += 16)
        pack_rows(
            x + (j + part) * stride, least(16, n - j - part), k, stride, 1, 16, COLUMNS,
            packed + (j * pairs + part) * 2);
    return;
  }
#endif
  pack_portable(x, n, k, stride, 1, COLUMNS, packed);
}

void nas_bfloat16_pack_right(const float *x, ptrdiff_t k, ptrdiff_t n, ptrdiff_t stride, uint16_t *packed) {
#if defined(__x86_64__)
  if (nas_bfloat16_is_supported()) {
    pack_right_fast(x, k, n, stride, packed);
    return;
  }
#endif
  ptrdiff_t pairs = (k + 1) / 2;
  for (ptrdiff_t j = 0; j < n + (COLUMNS - 1 - (n + COLUMNS - 1) % COLUMNS); j++)
    for (ptrdiff_t i = 0; i < 2 * pairs; i++)
      packed[(j / COLUMNS * COLUMNS * pairs + i / 2 * COLUMNS + j % COLUMNS) * 2 + i % 2] =
          i < k && j < n ? narrowed(x[i * stride + j]) : 0;
}

void nas_bfloat16_multiply(
    ptrdiff_t m, ptrdiff_t n, ptrdiff_t pairs, const uint16_t *left, const uint16_t *right, ptrdiff_t right_pairs, float *c,
    ptrdiff_t stride, bool accumulate) {
#if defined(__x86_64__)
  if (nas_bfloat16_is_supported()) {
    multiply_fast(m, n, pairs, left, right, right_pairs, c, stride, accumulate);
    return;
  }
#endif
  nas_bfloat16_multiply_portable(m, n, pairs, left, right, right_pairs, c, stride, accumulate);
}
