#include "panels.h"

// ---- in plain C ----

static void pack_portable(
    const float *x, ptrdiff_t rows, ptrdiff_t k, ptrdiff_t stride, float scale, ptrdiff_t lines, ptrdiff_t width,
    uint32_t *packed) {
  float *to = (float *)packed;
  for (ptrdiff_t i = 0; i < k; i++, to += width)
    for (ptrdiff_t line = 0; line < lines; line++) to[line] = line < rows ? scale * x[line * stride + i] : 0;
}

// Adds the wanted part of a tile of sums, `width` in a row, to c.
static inline void store_tile(
    const float *sum, ptrdiff_t width, float *c, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t columns, bool accumulate) {
  for (ptrdiff_t i = 0; i < rows; i++)
    for (ptrdiff_t j = 0; j < columns; j++)
      c[i * stride + j] = accumulate ? c[i * stride + j] + sum[i * width + j] : sum[i * width + j];
}

typedef float four __attribute__((vector_size(16), aligned(4)));

// Sums of 4 × 8 elements.
static __attribute__((noinline)) void portable_tile(ptrdiff_t words, const float *a, const float *b, float *tile) {
  four sum[4][2] = {0};
  for (ptrdiff_t word = 0; word < words; word++, a += ROWS, b += COLUMNS)
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; i++) {
      sum[i][0] += a[i] * *(const four *)b;
      sum[i][1] += a[i] * *(const four *)(b + 4);
    }
#pragma clang loop unroll(full)
  for (int i = 0; i < 8; i++) *(four *)(tile + 4 * i) = sum[i / 2][i % 2];
}

// Tiles of a panel's product, `height` × `width` each.
static inline __attribute__((always_inline)) void multiply_tiles(
    void tile(ptrdiff_t, const float *, const float *, float *), const ptrdiff_t height, const ptrdiff_t width,
    ptrdiff_t words, const uint32_t *left, const uint32_t *right, float *c, ptrdiff_t stride, ptrdiff_t rows,
    ptrdiff_t columns, bool accumulate) {
  float sums[6 * 16];
  for (ptrdiff_t j = 0; j < columns; j += width)
    for (ptrdiff_t i = 0; i < rows; i += height) {
      tile(words, (const float *)left + i, (const float *)right + j, sums);
      store_tile(
          sums, width, c + i * stride + j, stride, least(height, rows - i), least(width, columns - j), accumulate);
    }
}

static void portable_panels(
    ptrdiff_t words, const uint32_t *left, const uint32_t *right, float *c, ptrdiff_t stride, ptrdiff_t rows,
    ptrdiff_t columns, bool accumulate) {
  multiply_tiles(portable_tile, 4, 8, words, left, right, c, stride, rows, columns, accumulate);
}

static void multiply_portable(
    ptrdiff_t m, ptrdiff_t n, ptrdiff_t words, const uint32_t *left, const uint32_t *right, ptrdiff_t right_words,
    float *c, ptrdiff_t stride, bool accumulate) {
  multiply_blocks(
      portable_panels, portable_panels, m, n, words, left, right, right_words, c, stride, accumulate);
}

#if defined(__x86_64__)

// ---- with AVX2 ----

#define WITH_AVX2 __attribute__((target("avx2,fma")))

// Sums of 6 × 16 elements, in twelve registers.
WITH_AVX2 static __attribute__((noinline)) void avx2_tile(
    ptrdiff_t words, const float *a, const float *b, float *tile) {
  __m256 sum[6][2];
#pragma clang loop unroll(full)
  for (int i = 0; i < 6; i++) sum[i][0] = sum[i][1] = _mm256_setzero_ps();
  for (const float *end = a + words * ROWS; a != end; a += ROWS, b += COLUMNS) {
    __m256 b0 = _mm256_loadu_ps(b), b1 = _mm256_loadu_ps(b + 8);
#pragma clang loop unroll(full)
    for (int i = 0; i < 6; i++) {
      __m256 value = _mm256_broadcast_ss(a + i);
      sum[i][0] = _mm256_fmadd_ps(value, b0, sum[i][0]);
      sum[i][1] = _mm256_fmadd_ps(value, b1, sum[i][1]);
    }
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 12; i++) _mm256_storeu_ps(tile + 8 * i, sum[i / 2][i % 2]);
}

static void avx2_panels(
    ptrdiff_t words, const uint32_t *left, const uint32_t *right, float *c, ptrdiff_t stride, ptrdiff_t rows,
    ptrdiff_t columns, bool accumulate) {
  multiply_tiles(avx2_tile, 6, 16, words, left, right, c, stride, rows, columns, accumulate);
}

static void multiply_avx2(
    ptrdiff_t m, ptrdiff_t n, ptrdiff_t words, const uint32_t *left, const uint32_t *right, ptrdiff_t right_words,
    float *c, ptrdiff_t stride, bool accumulate) {
  multiply_blocks(avx2_panels, avx2_panels, m, n, words, left, right, right_words, c, stride, accumulate);
}

// ---- with AVX-512 ----

WITH_AVX512 static void pack_rows(
    const float *x, ptrdiff_t rows, ptrdiff_t k, ptrdiff_t stride, float scale, ptrdiff_t lines, ptrdiff_t width,
    uint32_t *packed) {
  __m512 factor = _mm512_set1_ps(scale);
  for (ptrdiff_t start = 0; start < k; start += 16) {
    __m512i r[16];
    for (int i = 0; i < 16; i++)
      r[i] = i < rows ? (__m512i)_mm512_mul_ps(_mm512_maskz_loadu_ps(first(k - start), x + i * stride + start), factor)
                      : _mm512_setzero_si512();
    store_transposed(r, least(16, k - start), lines, width, packed + start * width);
  }
}

// One panel of the left operand times the first 16·vectors columns of one of the right operand: 24 sums in registers.
WITH_AVX512 static inline __attribute__((always_inline)) void multiply_panels(
    const int vectors, ptrdiff_t words, const float *a, const float *b, float *c, ptrdiff_t stride, ptrdiff_t rows,
    ptrdiff_t columns, bool accumulate) {
  __m512 sum[ROWS][2];
#pragma clang loop unroll(full)
  for (int i = 0; i < ROWS; i++) sum[i][0] = sum[i][1] = _mm512_setzero_ps();
  prefetch_sums(c, stride, rows);
  for (const float *end = a + words * ROWS; a != end; a += ROWS, b += COLUMNS) {
    __m512 b0 = _mm512_loadu_ps(b);
    __m512 b1 = vectors > 1 ? _mm512_loadu_ps(b + 16) : b0;
    // Fetches the next panel: with few rows this one is done before memory has brought the next.
    _mm_prefetch(b + words * COLUMNS, _MM_HINT_T1);
    _mm_prefetch(b + words * COLUMNS + 16, _MM_HINT_T1);
#pragma clang loop unroll(full)
    for (int i = 0; i < ROWS; i++) {
      __m512 value = _mm512_set1_ps(a[i]);
      sum[i][0] = _mm512_fmadd_ps(value, b0, sum[i][0]);
      if (vectors > 1) sum[i][1] = _mm512_fmadd_ps(value, b1, sum[i][1]);
    }
  }
  store_sums(vectors, sum, c, stride, rows, columns, accumulate);
}

WITH_AVX512 static void wide_panels(
    ptrdiff_t words, const uint32_t *a, const uint32_t *b, float *c, ptrdiff_t stride, ptrdiff_t rows,
    ptrdiff_t columns, bool accumulate) {
  multiply_panels(2, words, (const float *)a, (const float *)b, c, stride, rows, columns, accumulate);
}

WITH_AVX512 static void narrow_panels(
    ptrdiff_t words, const uint32_t *a, const uint32_t *b, float *c, ptrdiff_t stride, ptrdiff_t rows,
    ptrdiff_t columns, bool accumulate) {
  multiply_panels(1, words, (const float *)a, (const float *)b, c, stride, rows, columns, accumulate);
}

static void multiply_avx512(
    ptrdiff_t m, ptrdiff_t n, ptrdiff_t words, const uint32_t *left, const uint32_t *right, ptrdiff_t right_words,
    float *c, ptrdiff_t stride, bool accumulate) {
  multiply_blocks(wide_panels, narrow_panels, m, n, words, left, right, right_words, c, stride, accumulate);
}

#endif

// ---- whichever there is ----

nas_packed_product *nas_single_multiply_with(enum nas_instructions set) {
  if (!nas_kernels_with(set)) return NULL;
#if defined(__x86_64__)
  if (set == NAS_AVX512) return multiply_avx512;
  if (set == NAS_AVX2) return multiply_avx2;
#endif
  return multiply_portable;
}

static row_packing *fastest_packing(void) {
#if defined(__x86_64__)
  if (nas_kernels_with(NAS_AVX512)) return pack_rows;
#endif
  return pack_portable;
}

void nas_single_pack_left(
    const float *x, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, float scale, uint32_t *packed) {
  pack_left_panels(fastest_packing(), x, rows, columns, columns, stride, scale, packed);
}

void nas_single_pack_right_transposed(const float *x, ptrdiff_t n, ptrdiff_t k, ptrdiff_t stride, uint32_t *packed) {
  pack_right_panels(fastest_packing(), x, n, k, k, stride, packed);
}

void nas_single_pack_right(const float *x, ptrdiff_t k, ptrdiff_t n, ptrdiff_t stride, uint32_t *packed) {
  float *to = (float *)packed;
  for (ptrdiff_t panel = 0; panel < n; panel += COLUMNS)
    for (ptrdiff_t i = 0; i < k; i++, to += COLUMNS) {
      ptrdiff_t count = least(COLUMNS, n - panel);
      memcpy(to, x + i * stride + panel, count * sizeof *to);
      memset(to + count, 0, (COLUMNS - count) * sizeof *to);
    }
}

void nas_single_multiply(
    ptrdiff_t m, ptrdiff_t n, ptrdiff_t words, const uint32_t *left, const uint32_t *right, ptrdiff_t right_words,
    float *c, ptrdiff_t stride, bool accumulate) {
  nas_packed_product *multiply = nas_single_multiply_with(nas_best_instructions());
  multiply(m, n, words, left, right, right_words, c, stride, accumulate);
}
