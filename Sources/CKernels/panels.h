// The code that packed operands share, for words of any content.
#ifndef NAS_SEARCH_PANELS_H
#define NAS_SEARCH_PANELS_H

#include "CKernels.h"

#include <string.h>

enum { ROWS = NAS_PANEL_ROWS, COLUMNS = NAS_PANEL_COLUMNS };

static inline ptrdiff_t least(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

// One panel of the left operand times one panel of the right one; `rows` and `columns` of the result are written.
typedef void panel_product(
    ptrdiff_t words, const uint32_t *left, const uint32_t *right, float *c, ptrdiff_t stride, ptrdiff_t rows,
    ptrdiff_t columns, bool accumulate);

// All panels. Blocks of the left operand stay in the second cache while all panels of the right one pass.
//
// `narrow` computes panels of the right operand that are at most half full.
static inline void multiply_blocks(
    panel_product *wide, panel_product *narrow, ptrdiff_t m, ptrdiff_t n, ptrdiff_t words, const uint32_t *left,
    const uint32_t *right, ptrdiff_t right_words, float *c, ptrdiff_t stride, bool accumulate) {
  enum { DEPTH = 1024, BYTES = 384 << 10 };
  for (ptrdiff_t start = 0; start < words; start += DEPTH) {
    ptrdiff_t depth = least(DEPTH, words - start);
    ptrdiff_t block = BYTES / (depth * 4) / ROWS * ROWS;
    for (ptrdiff_t top = 0; top < m; top += block)
      for (ptrdiff_t j = 0; j < n; j += COLUMNS)
        for (ptrdiff_t i = top; i < least(top + block, m); i += ROWS)
          (n - j > COLUMNS / 2 ? wide : narrow)(
              depth, left + i * words + start * ROWS, right + j * right_words + start * COLUMNS, c + i * stride + j,
              stride, least(ROWS, m - i), least(COLUMNS, n - j), accumulate || start > 0);
  }
}

// Packs up to 16 rows of x as `lines` neighbours in panels of `width` lines.
typedef void row_packing(
    const float *x, ptrdiff_t rows, ptrdiff_t k, ptrdiff_t stride, float scale, ptrdiff_t lines, ptrdiff_t width,
    uint32_t *packed);

static inline void pack_left_panels(
    row_packing *pack, const float *x, ptrdiff_t rows, ptrdiff_t k, ptrdiff_t words, ptrdiff_t stride, float scale,
    uint32_t *packed) {
  for (ptrdiff_t i = 0; i < rows; i += ROWS)
    pack(x + i * stride, least(ROWS, rows - i), k, stride, scale, ROWS, ROWS, packed + i * words);
}

static inline void pack_right_panels(
    row_packing *pack, const float *x, ptrdiff_t n, ptrdiff_t k, ptrdiff_t words, ptrdiff_t stride, uint32_t *packed) {
  for (ptrdiff_t j = 0; j < n; j += COLUMNS)
    for (ptrdiff_t part = 0; part < COLUMNS; part += 16)
      pack(
          x + (j + part) * stride, least(16, n - j - part), k, stride, 1, 16, COLUMNS, packed + j * words + part);
}

#if defined(__x86_64__)

#include <immintrin.h>

#define WITH_AVX512 __attribute__((target("avx512f")))

// The first n of 16 lanes.
static inline __mmask16 first(ptrdiff_t n) { return n >= 16 ? 0xffff : n <= 0 ? 0 : (__mmask16)((1 << n) - 1); }

// Transposes 16 × 16 words.
WITH_AVX512 static inline void transpose(__m512i r[16]) {
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

// Writes the first `count` words of 16 rows as `lines` neighbours in panels of `width` lines.
WITH_AVX512 static inline void store_transposed(
    __m512i r[16], ptrdiff_t count, ptrdiff_t lines, ptrdiff_t width, uint32_t *packed) {
  transpose(r);
  for (ptrdiff_t i = 0; i < count; i++) _mm512_mask_storeu_epi32(packed + i * width, first(lines), r[i]);
}

// Fetches the memory that `store_sums` writes while the sums are made.
static inline void prefetch_sums(const float *c, ptrdiff_t stride, ptrdiff_t rows) {
  for (ptrdiff_t i = 0; i < rows; i++)
    for (ptrdiff_t j = 0; j <= COLUMNS; j += 16) _mm_prefetch(c + i * stride + j, _MM_HINT_T0);
}

// Writes sums of 16·vectors columns, or adds them to c.
WITH_AVX512 static inline __attribute__((always_inline)) void store_sums(
    const int vectors, __m512 sum[ROWS][2], float *c, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t columns,
    bool accumulate) {
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

#endif

#endif
