#ifndef NAS_SEARCH_C_KERNELS_H
#define NAS_SEARCH_C_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "HalfPrecision.h"
#include "VectorKernels.h"

// Products of matrices in bfloat16 with sums in single precision.
//
// The left operand lies in panels of 12 rows, the right one in panels of 32 columns, both with two neighbours along the
// summed dimension k beside each other, as the processor's dot product wants them:
//
//     left   [ceil(m/12)][pairs][12][2]        right   [ceil(n/32)][pairs][32][2]        pairs = ceil(k/2)
//
// What fills up a panel is zero. Every sum runs over k in order, in blocks of 2048, and depends neither on the other rows nor
// on the other columns of the product.

enum { NAS_PANEL_ROWS = 12, NAS_PANEL_COLUMNS = 32 };

// Whether the processor has AVX-512 with dot products of bfloat16. Without it the same functions compute the same in software,
// slowly, and but for the last bits.
bool nas_bfloat16_is_supported(void);

// A set of instructions that the program was compiled for and the processor does not have; NULL where there is none.
const char *nas_missing_feature(void);

// The value with its lower sixteen bits rounded away, to the nearest, ties to even. NaN stays NaN.
void nas_bfloat16_round(float *x, ptrdiff_t count);

// Packs scale·x, x of shape [rows, columns] with `stride` elements between rows, as a left operand.
void nas_bfloat16_pack_left(
    const float *x, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, float scale, uint16_t *packed);

// Packs the transpose of x, shape [n, k], as a right operand: x is the weight of y = x·W^T.
void nas_bfloat16_pack_right_transposed(
    const float *x, ptrdiff_t n, ptrdiff_t k, ptrdiff_t stride, uint16_t *packed);

// Packs x, shape [k, n], as a right operand.
void nas_bfloat16_pack_right(const float *x, ptrdiff_t k, ptrdiff_t n, ptrdiff_t stride, uint16_t *packed);

// c = left·right, or c += left·right, for c of shape [m, n].
//
// `right_pairs` are the pairs that a panel of the right operand has; the product takes `pairs` of them from where `right`
// points to, and all pairs of the left operand.
void nas_bfloat16_multiply(
    ptrdiff_t m, ptrdiff_t n, ptrdiff_t pairs, const uint16_t *left, const uint16_t *right, ptrdiff_t right_pairs, float *c,
    ptrdiff_t stride, bool accumulate);

// The same in software, whatever the processor.
void nas_bfloat16_multiply_portable(
    ptrdiff_t m, ptrdiff_t n, ptrdiff_t pairs, const uint16_t *left, const uint16_t *right, ptrdiff_t right_pairs, float *c,
    ptrdiff_t stride, bool accumulate);

#endif
