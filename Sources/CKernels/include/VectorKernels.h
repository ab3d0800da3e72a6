#ifndef NAS_SEARCH_VECTOR_KERNELS_H
#define NAS_SEARCH_VECTOR_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Element-wise kernels on rows, and loops of small triangles, compiled once for each set of instructions.
//
// All sets give the same bits, except for those of NaNs. Sums run in sixteen lanes, which are added in order before the
// rest of the row. Each product and each sum is rounded.

#pragma clang assume_nonnull begin

// The blocks of ggml that values can be rounded to.
enum nas_block_type { NAS_Q4_0, NAS_Q4_1, NAS_Q5_0, NAS_Q5_1, NAS_Q8_0, NAS_Q4_K, NAS_Q5_K, NAS_Q6_K };

struct __attribute__((swift_attr("@Sendable"))) nas_kernels {
  // y += x
  void (*add)(const float *x, float *y, ptrdiff_t count);
  // x ← a·x
  void (*scale)(float *x, float a, ptrdiff_t count);
  // y += a·x
  void (*add_scaled)(const float *x, float a, float *y, ptrdiff_t count);
  // y += |x|
  void (*add_magnitudes)(const float *x, float *y, ptrdiff_t count);
  // y += x²·a
  void (*add_squares)(const float *x, float a, float *y, ptrdiff_t count);
  // y ← x·y
  void (*multiply)(const float *x, float *y, ptrdiff_t count);
  // z += x·y
  void (*add_products)(const float *x, const float *y, float *z, ptrdiff_t count);
  // m ← b·m + (1 − b)·g, v ← c·v + (1 − c)·g², x ← x − rate·m/(√v·root + epsilon)
  void (*adam)(
      float *x, float *m, float *v, const float *g, float b, float c, float rate, float root, float epsilon,
      ptrdiff_t count);
  // y ← x of binary16 patterns at any alignment
  void (*widen_half)(const void *x, float *y, ptrdiff_t count);
  // Σ x·y
  float (*dot)(const float *x, const float *y, ptrdiff_t count);
  // max x, -∞ for an empty row
  float (*maximum)(const float *x, ptrdiff_t count);

  // x ← exp(x)
  void (*exponentials)(double *x, ptrdiff_t count);
  // Σ exp(x − shift)
  float (*sum_exp)(const float *x, float shift, ptrdiff_t count);
  // x ← softmax(x)
  void (*softmax)(float *x, ptrdiff_t count);
  // x ← softmax of x and one more score, returns that score's share
  float (*softmax_with)(float *x, float sink, ptrdiff_t count);
  // x ← p = softmax(x), returns Σ p·x
  double (*softmax_expectation)(float *x, ptrdiff_t count);
  // grad ← p·(grad − Σ p·grad)·scale
  void (*softmax_backward)(const float *p, float *grad, float scale, ptrdiff_t count);

  // y = x·s·gain, s = 1/sqrt(mean(x²) + epsilon); y may be x
  void (*rms_norm)(const float *x, const float *gain, float epsilon, float *y, ptrdiff_t count);
  // gain_grad += ∂y·x·s, grad += s·(∂y·gain − x·s²·mean(∂y·gain·x)), ∂y ← ∂y·gain
  void (*rms_norm_backward)(
      const float *x, const float *gain, float epsilon, float *output_grad, float *grad, float *gain_grad, ptrdiff_t count);
  // gate ← silu(gate)·up, silu(x) = x / (1 + exp(−x))
  void (*silu_multiply)(float *gate, const float *up, ptrdiff_t count);
  // gate ← ∂gate, up ← ∂up, grad ← h for h = silu(gate)·up and grad = ∂h
  void (*silu_multiply_backward)(float *gate, float *up, float *grad, ptrdiff_t count);
  // The same with gelu(x) = x·σ(2u), u = √(2/π)·(x + 0.044715·x³)
  void (*gelu_multiply)(float *gate, const float *up, ptrdiff_t count);
  void (*gelu_multiply_backward)(float *gate, float *up, float *grad, ptrdiff_t count);
  // The same with h = g·σ(αg)·(u + 1), g = min(gate, limit), u = min(max(up, −limit), limit)
  void (*clamped_multiply)(float *gate, const float *up, float limit, float alpha, ptrdiff_t count);
  void (*clamped_multiply_backward)(
      float *gate, float *up, float *grad, float limit, float alpha, ptrdiff_t count);
  // x ← cap·tanh(x/cap), and grad ← grad·(1 − (y/cap)²) for its result y
  void (*soft_cap)(float *x, float cap, ptrdiff_t count);
  void (*soft_cap_backward)(const float *y, float cap, float *grad, ptrdiff_t count);
  // The pairs (x[i], x[i + half]) turned by the angles, or back.
  void (*rotate)(float *x, const float *cosines, const float *sines, ptrdiff_t half);
  void (*rotate_back)(float *x, const float *cosines, const float *sines, ptrdiff_t half);

  // Puts the d values of a position's key and value into a cache: keys in panels of 16 positions, [panel][d][16],
  // values as [position][d]; bfloat16 as its pattern.
  void (*remember_float)(
      const float *key, const float *value, ptrdiff_t d, float *keys, float *values, ptrdiff_t position);
  void (*remember_bfloat16)(
      const float *key, const float *value, ptrdiff_t d, uint16_t *keys, uint16_t *values, ptrdiff_t position);
  // context = softmax(scale·query·keysᵀ)·values over the positions first ≤ j < end, for rows of d values; scores are
  // capped if `cap` is not 0. `sinks` is one more score of each row, without a value; NULL for none. `scores` has room
  // for four rows of end − first + 31 values.
  void (*attend_float)(
      const float *query, ptrdiff_t rows, ptrdiff_t d, const float *keys, const float *values, ptrdiff_t first,
      ptrdiff_t end, float scale, float cap, const float *_Nullable sinks, float *scores, float *context);
  void (*attend_bfloat16)(
      const float *query, ptrdiff_t rows, ptrdiff_t d, const uint16_t *keys, const uint16_t *values, ptrdiff_t first,
      ptrdiff_t end, float scale, float cap, const float *_Nullable sinks, float *scores, float *context);

  // The Cholesky factor of the lower triangle of a, by columns, which `work` holds as rows meanwhile. Returns 0, or the
  // order of the first leading minor that is not positive and finite.
  ptrdiff_t (*factorise_float)(ptrdiff_t n, float *a, ptrdiff_t lda, float *work, ptrdiff_t ldw);
  ptrdiff_t (*factorise_double)(ptrdiff_t n, double *a, ptrdiff_t lda, double *work, ptrdiff_t ldw);
  // x = l⁻¹ for the lower triangular l, with zeros above its diagonal.
  void (*invert_lower_float)(ptrdiff_t n, const float *l, ptrdiff_t ldl, float *x, ptrdiff_t ldx);
  void (*invert_lower_double)(ptrdiff_t n, const double *l, ptrdiff_t ldl, double *x, ptrdiff_t ldx);

  // Rounds a row of finite values, a whole number of blocks, to a type of ggml. `importance` says how much the squared
  // error of each column counts; NULL where the value alone says it. False if a scale is too large for binary16.
  bool (*encode_row)(
      enum nas_block_type type, const float *x, const float *_Nullable importance, ptrdiff_t columns, uint8_t *blocks);
};

enum nas_instructions { NAS_PORTABLE, NAS_AVX2, NAS_AVX512 };

// The kernels compiled for a set of instructions; NULL if the processor lacks it.
const struct nas_kernels *_Nullable nas_kernels_with(enum nas_instructions set);

// The fastest set that the processor has.
enum nas_instructions nas_best_instructions(void);
const struct nas_kernels *nas_best_kernels(void);

#pragma clang assume_nonnull end

#endif
