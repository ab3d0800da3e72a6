#ifndef NAS_SEARCH_C_KERNELS_H
#define NAS_SEARCH_C_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "HalfPrecision.h"
#include "VectorKernels.h"

// Products of matrices with packed operands, in single precision and in bfloat16. Sums are in single precision.
//
// A packed operand consists of words of 32 bits: one value, or in bfloat16 two neighbours along the summed dimension k,
// as the processor's dot product reads them. The left operand lies in panels of 12 rows, the right one in panels of 32
// columns:
//
//     left   [ceil(m/12)][words][12]        right   [ceil(n/32)][words][32]        words = k or ceil(k/2)
//
// Panels are filled up with zeros. Every sum runs over k in order, in blocks of 1024 words, and depends neither on the
// other rows nor on the other columns of the product.

enum { NAS_PANEL_ROWS = 12, NAS_PANEL_COLUMNS = 32 };

// A set of instructions that the program was compiled for and the processor lacks; NULL if there is none.
const char *nas_missing_feature(void);

// The pause of a waiting thread between two looks.
static inline void nas_spin_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// ---- single precision ----

// AVX-512 and AVX2 give the same bits; in plain C the last ones may differ.

// Packs scale·x, x of shape [rows, columns] with `stride` elements between rows, as a left operand.
void nas_single_pack_left(
    const float *x, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, float scale, uint32_t *packed);

// Packs the transpose of x, shape [n, k], as a right operand: x is the weight of y = x·W^T.
void nas_single_pack_right_transposed(const float *x, ptrdiff_t n, ptrdiff_t k, ptrdiff_t stride, uint32_t *packed);

// Packs x, shape [k, n], as a right operand.
void nas_single_pack_right(const float *x, ptrdiff_t k, ptrdiff_t n, ptrdiff_t stride, uint32_t *packed);

// c = left·right, or c += left·right, for c of shape [m, n].
//
// `right_words` is the number of words in a line of the right operand. The product takes `words` of them, beginning at
// `right`, and all words of the left operand.
typedef void nas_packed_product(
    ptrdiff_t m, ptrdiff_t n, ptrdiff_t words, const uint32_t *left, const uint32_t *right, ptrdiff_t right_words,
    float *c, ptrdiff_t stride, bool accumulate);

nas_packed_product nas_single_multiply;

// The same with one set of instructions; NULL if the processor lacks it.
nas_packed_product *nas_single_multiply_with(enum nas_instructions set);

// Multiplies and adds in registers for `rounds` rounds: the most that one core can do. Returns the number of
// operations.
double nas_single_peak(ptrdiff_t rounds);

// ---- bfloat16 ----

// Whether the processor has AVX-512 with dot products of bfloat16. Without it the same functions run in software:
// slowly, and with other last bits.
bool nas_bfloat16_is_supported(void);

// The value with its lower sixteen bits rounded away, to the nearest, ties to even. NaN stays NaN.
void nas_bfloat16_round(float *x, ptrdiff_t count);

// The same as the functions in single precision, with factors rounded to bfloat16.
void nas_bfloat16_pack_left(
    const float *x, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, float scale, uint32_t *packed);
void nas_bfloat16_pack_right_transposed(const float *x, ptrdiff_t n, ptrdiff_t k, ptrdiff_t stride, uint32_t *packed);
void nas_bfloat16_pack_right(const float *x, ptrdiff_t k, ptrdiff_t n, ptrdiff_t stride, uint32_t *packed);
nas_packed_product nas_bfloat16_multiply;
nas_packed_product nas_bfloat16_multiply_portable;

#endif
