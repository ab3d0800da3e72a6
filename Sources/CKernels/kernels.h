// The kernels of VectorKernels.h, written with vectors of sixteen lanes. Included once for each set of instructions;
// TABLE names the compiled kernels.

#include "HalfPrecision.h"

#pragma clang fp contract(off)
// Functions that take or return vectors are all inlined.
#pragma clang diagnostic ignored "-Wpsabi"

#define INLINE static inline __attribute__((always_inline))

enum { LANES = 16 };
typedef float floats __attribute__((ext_vector_type(LANES)));
typedef uint32_t words __attribute__((ext_vector_type(LANES)));
typedef double doubles __attribute__((ext_vector_type(8)));
typedef uint64_t longs __attribute__((ext_vector_type(8)));

INLINE floats load(const float *x) {
  floats result;
  memcpy(&result, x, sizeof result);
  return result;
}

INLINE void store(floats value, float *x) { memcpy(x, &value, sizeof value); }

// Copies the remaining elements of a row, fewer than sixteen.
INLINE void copy_rest(float *to, const float *from, ptrdiff_t left) {
  for (ptrdiff_t width = LANES / 2; width > 0; width /= 2)
    if (left & width) {
      memcpy(to, from, (size_t)width * sizeof(float));
      to += width;
      from += width;
    }
}

// The next vector of a row that has `left` elements left, filled up with zeros.
INLINE floats load_part(const float *x, ptrdiff_t left) {
  if (left >= LANES) return load(x);
  float rest[LANES] = {0};
  copy_rest(rest, x, left);
  return load(rest);
}

INLINE void store_part(floats value, float *x, ptrdiff_t left) {
  if (left >= LANES) {
    store(value, x);
    return;
  }
  float rest[LANES];
  store(value, rest);
  copy_rest(x, rest, left);
}

// The sum of all lanes, in order.
INLINE float sum_of(floats x) {
  float sum = x[0];
#pragma clang loop unroll(full)
  for (int lane = 1; lane < LANES; lane++) sum += x[lane];
  return sum;
}

// The sum of the first lanes, in order.
INLINE float sum_of_first(ptrdiff_t count, floats x) {
  float lanes[LANES];
  store(x, lanes);
  float sum = lanes[0];
  for (ptrdiff_t lane = 1; lane < count; lane++) sum += lanes[lane];
  return sum;
}

// A loop whose turns are independent of each other, in vectors of any width.
#define EACH(i, count) \
  _Pragma("clang loop vectorize(assume_safety)") for (ptrdiff_t i = 0; i < (count); i++)

// ---- sums and products ----

static void add(const float *x, float *y, ptrdiff_t count) { EACH(i, count) y[i] += x[i]; }

static void scale(float *x, float a, ptrdiff_t count) { EACH(i, count) x[i] *= a; }

static void add_scaled(const float *x, float a, float *y, ptrdiff_t count) { EACH(i, count) y[i] += a * x[i]; }

static void add_magnitudes(const float *x, float *y, ptrdiff_t count) { EACH(i, count) y[i] += __builtin_fabsf(x[i]); }

static void add_squares(const float *x, float a, float *y, ptrdiff_t count) { EACH(i, count) y[i] += x[i] * x[i] * a; }

static void multiply(const float *x, float *y, ptrdiff_t count) { EACH(i, count) y[i] *= x[i]; }

static void add_products(const float *x, const float *y, float *z, ptrdiff_t count) {
  EACH(i, count) z[i] += x[i] * y[i];
}

static void adam(
    float *x, float *m, float *v, const float *g, float b, float c, float rate, float root, float epsilon,
    ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i += LANES) {
    ptrdiff_t left = count - i;
    floats slope = load_part(g + i, left);
    floats first = b * load_part(m + i, left) + (1 - b) * slope;
    floats second = c * load_part(v + i, left) + (1 - c) * (slope * slope);
    floats step = rate * first / (__builtin_elementwise_sqrt(second) * root + epsilon);
    store_part(first, m + i, left);
    store_part(second, v + i, left);
    store_part(load_part(x + i, left) - step, x + i, left);
  }
}

static void widen_half(const void *x, float *y, ptrdiff_t count) {
  EACH(i, count) {
    uint16_t half;
    memcpy(&half, (const char *)x + 2 * i, sizeof half);
    y[i] = nas_half_value(half);
  }
}

static float dot(const float *x, const float *y, ptrdiff_t count) {
  floats sum = 0;
  ptrdiff_t i = 0;
  for (; i + LANES <= count; i += LANES) sum += load(x + i) * load(y + i);
  float total = sum_of(sum);
  for (; i < count; i++) total += x[i] * y[i];
  return total;
}

static float maximum(const float *x, ptrdiff_t count) {
  floats best = -__builtin_inff();
  ptrdiff_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    floats value = load(x + i);
    best = value > best ? value : best;
  }
  float result = best[0];
#pragma clang loop unroll(full)
  for (int lane = 1; lane < LANES; lane++) result = best[lane] >= result ? best[lane] : result;
  for (; i < count; i++) result = x[i] >= result ? x[i] : result;
  return result;
}

// ---- exponentials ----

// x = n·ln2 + r with |r| ≤ ln2/2; exp(r) by its Taylor polynomial of degree 7 in Horner form, 2ⁿ through the exponent
// bits. Adding and subtracting 1.5·2²³ rounds to the nearest integer.
INLINE floats exponential(floats x) {
  x = x < -87.0f ? (floats)-87.0f : x;
  x = x > 88.0f ? (floats)88.0f : x;
  const floats magic = 12582912.0f;
  floats shifted = x * 1.44269504f + magic;
  floats n = shifted - magic;
  floats r = (x - n * 0.693359375f) - n * -2.1219444e-4f;
  floats p = r * 1.98412698e-4f + 1.38888889e-3f;
  p = p * r + 8.33333333e-3f;
  p = p * r + 4.16666667e-2f;
  p = p * r + 1.66666667e-1f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  words exponent = (words)shifted - (words)magic;
  return (floats)((words)p + (exponent << 23));
}

// The same to degree 12; adding and subtracting 1.5·2⁵² rounds.
INLINE doubles exponential_double(doubles x) {
  x = x < -708.0 ? (doubles)-708.0 : x;
  const doubles magic = 6755399441055744.0;
  doubles shifted = x * 1.4426950408889634 + magic;
  doubles n = shifted - magic;
  doubles r = (x - n * 0.6931471803691238) - n * 1.9082149292705877e-10;
  doubles p = r * 2.087675698786810e-9 + 2.505210838544172e-8;
  p = p * r + 2.755731922398589e-7;
  p = p * r + 2.7557319223985891e-6;
  p = p * r + 2.4801587301587302e-5;
  p = p * r + 1.9841269841269841e-4;
  p = p * r + 1.388888888888889e-3;
  p = p * r + 8.333333333333333e-3;
  p = p * r + 4.1666666666666664e-2;
  p = p * r + 0.16666666666666666;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  longs exponent = (longs)shifted - (longs)magic;
  return (doubles)((longs)p + (exponent << 52));
}

static void exponentials(double *x, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i += 8) {
    size_t bytes = (count - i < 8 ? count - i : 8) * sizeof(double);
    doubles value = 0;
    memcpy(&value, x + i, bytes);
    value = exponential_double(value);
    memcpy(x + i, &value, bytes);
  }
}

static float sum_exp(const float *x, float shift, ptrdiff_t count) {
  floats sum = 0;
  ptrdiff_t i = 0;
  for (; i + LANES <= count; i += LANES) sum += exponential(load(x + i) - shift);
  float rest = i < count ? sum_of_first(count - i, exponential(load_part(x + i, count - i) - shift)) : 0;
  return sum_of(sum) + rest;
}

static float softmax_with(float *x, float sink, ptrdiff_t count) {
  float peak = maximum(x, count);
  peak = peak > sink ? peak : sink;
  floats sum = 0;
  float rest = 0;
  for (ptrdiff_t i = 0; i < count; i += LANES) {
    floats e = exponential(load_part(x + i, count - i) - peak);
    store_part(e, x + i, count - i);
    if (count - i >= LANES)
      sum += e;
    else
      rest = sum_of_first(count - i, e);
  }
  // Most rows have no such score.
  float share = sink > -__builtin_inff() ? exponential((floats)(sink - peak))[0] : 0;
  float factor = 1 / (sum_of(sum) + rest + share);
  scale(x, factor, count);
  return share * factor;
}

static void softmax(float *x, ptrdiff_t count) { softmax_with(x, -__builtin_inff(), count); }

static double softmax_expectation(float *x, ptrdiff_t count) {
  float peak = maximum(x, count);
  floats mass = 0, moment = 0;
  float rest_mass = 0, rest_moment = 0;
  for (ptrdiff_t i = 0; i < count; i += LANES) {
    floats shifted = load_part(x + i, count - i) - peak;
    floats e = exponential(shifted);
    store_part(e, x + i, count - i);
    if (count - i >= LANES) {
      mass += e;
      moment += e * shifted;
    } else {
      rest_mass = sum_of_first(count - i, e);
      rest_moment = sum_of_first(count - i, e * shifted);
    }
  }
  float total = sum_of(mass) + rest_mass;
  scale(x, 1 / total, count);
  return (double)peak + (double)(sum_of(moment) + rest_moment) / (double)total;
}

static void softmax_backward(const float *p, float *grad, float scale, ptrdiff_t count) {
  float mean = dot(p, grad, count);
  EACH(i, count) grad[i] = p[i] * (grad[i] - mean) * scale;
}

// ---- parts of a decoder layer ----

INLINE float inverse_length(const float *x, float epsilon, ptrdiff_t count) {
  return 1 / __builtin_elementwise_sqrt(dot(x, x, count) / (float)count + epsilon);
}

static void rms_norm(const float *x, const float *gain, float epsilon, float *y, ptrdiff_t count) {
  float s = inverse_length(x, epsilon, count);
  EACH(i, count) y[i] = x[i] * s * gain[i];
}

static void rms_norm_backward(
    const float *x, const float *gain, float epsilon, float *output_grad, float *grad, float *gain_grad, ptrdiff_t count) {
  float s = inverse_length(x, epsilon, count);
  EACH(i, count) {
    gain_grad[i] += output_grad[i] * x[i] * s;
    output_grad[i] *= gain[i];
  }
  float mean = dot(output_grad, x, count) / (float)count;
  add_scaled(output_grad, s, grad, count);
  add_scaled(x, -s * s * s * mean, grad, count);
}

static void silu_multiply(float *gate, const float *up, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i += LANES) {
    floats x = load_part(gate + i, count - i);
    store_part(x / (1.0f + exponential(-x)) * load_part(up + i, count - i), gate + i, count - i);
  }
}

static void silu_multiply_backward(float *gate, float *up, float *grad, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i += LANES) {
    floats g = load_part(gate + i, count - i), u = load_part(up + i, count - i), d = load_part(grad + i, count - i);
    floats sigmoid = 1.0f / (1.0f + exponential(-g));
    floats silu = g * sigmoid;
    store_part(d * u * sigmoid * (1.0f + g * (1.0f - sigmoid)), gate + i, count - i);
    store_part(d * silu, up + i, count - i);
    store_part(silu * u, grad + i, count - i);
  }
}

// The two parts of the approximation of GELU by tanh, x·σ(2u) with u = √(2/π)·(x + 0.044715·x³): σ(2u).
INLINE floats gelu_gate(floats x) {
  return 1.0f / (1.0f + exponential(x * (x * x * -0.07135481f - 1.59576912f)));
}

static void gelu_multiply(float *gate, const float *up, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i += LANES) {
    floats x = load_part(gate + i, count - i);
    store_part(x * gelu_gate(x) * load_part(up + i, count - i), gate + i, count - i);
  }
}

static void gelu_multiply_backward(float *gate, float *up, float *grad, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i += LANES) {
    floats x = load_part(gate + i, count - i), u = load_part(up + i, count - i), d = load_part(grad + i, count - i);
    floats part = gelu_gate(x), gelu = x * part;
    floats slope = x * x * 0.21406443f + 1.59576912f;
    store_part(d * u * (part + gelu * (1.0f - part) * slope), gate + i, count - i);
    store_part(d * gelu, up + i, count - i);
    store_part(gelu * u, grad + i, count - i);
  }
}

INLINE floats clamped(floats x, float low, float high) {
  x = x < low ? (floats)low : x;
  return x > high ? (floats)high : x;
}

static void clamped_multiply(float *gate, const float *up, float limit, float alpha, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i += LANES) {
    floats g = clamped(load_part(gate + i, count - i), -__builtin_inff(), limit);
    floats u = clamped(load_part(up + i, count - i), -limit, limit);
    store_part(g / (1.0f + exponential(g * -alpha)) * (u + 1.0f), gate + i, count - i);
  }
}

static void clamped_multiply_backward(
    float *gate, float *up, float *grad, float limit, float alpha, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i += LANES) {
    floats x = load_part(gate + i, count - i), y = load_part(up + i, count - i), d = load_part(grad + i, count - i);
    floats g = clamped(x, -__builtin_inff(), limit), u = clamped(y, -limit, limit);
    floats sigmoid = 1.0f / (1.0f + exponential(g * -alpha));
    floats slope = sigmoid * (1.0f + alpha * g * (1.0f - sigmoid));
    store_part(g == x ? d * (u + 1.0f) * slope : (floats)0.0f, gate + i, count - i);
    store_part(u == y ? d * g * sigmoid : (floats)0.0f, up + i, count - i);
    store_part(g * sigmoid * (u + 1.0f), grad + i, count - i);
  }
}

static void soft_cap(float *x, float cap, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i += LANES) {
    floats twice = load_part(x + i, count - i) * (2.0f / cap);
    store_part(cap - 2.0f * cap / (exponential(twice) + 1.0f), x + i, count - i);
  }
}

static void soft_cap_backward(const float *y, float cap, float *grad, ptrdiff_t count) {
  float factor = 1 / cap;
  EACH(i, count) grad[i] *= 1.0f - (y[i] * factor) * (y[i] * factor);
}

static void rotate(float *x, const float *cosines, const float *sines, ptrdiff_t half) {
  EACH(i, half) {
    float a = x[i], b = x[i + half];
    x[i] = a * cosines[i] - b * sines[i];
    x[i + half] = b * cosines[i] + a * sines[i];
  }
}

static void rotate_back(float *x, const float *cosines, const float *sines, ptrdiff_t half) {
  EACH(i, half) {
    float a = x[i], b = x[i + half];
    x[i] = a * cosines[i] + b * sines[i];
    x[i + half] = b * cosines[i] - a * sines[i];
  }
}

// ---- attention to cached positions ----

INLINE float narrow_float(float x) { return x; }

INLINE floats load_elements_float(const float *x, ptrdiff_t left) { return load_part(x, left); }

INLINE uint16_t narrow_bfloat16(float x) { return nas_bfloat16_pattern(x); }

INLINE floats load_elements_bfloat16(const uint16_t *x, ptrdiff_t left) {
  typedef uint16_t halves __attribute__((ext_vector_type(LANES)));
  halves narrow = 0;
  if (left >= LANES)
    memcpy(&narrow, x, sizeof narrow);
  else
    for (ptrdiff_t i = 0; i < left; i++) narrow[i] = x[i];
  return (floats)(__builtin_convertvector(narrow, words) << 16);
}

#define ELEMENT float
#define OF_TYPE(name) name##_float
#include "attention.h"
#undef ELEMENT
#undef OF_TYPE

#define ELEMENT uint16_t
#define OF_TYPE(name) name##_bfloat16
#include "attention.h"
#undef ELEMENT
#undef OF_TYPE

// ---- small triangles ----

#define SCALAR float
#define OF_TYPE(name) name##_float
#include "triangle.h"
#undef SCALAR
#undef OF_TYPE

#define SCALAR double
#define OF_TYPE(name) name##_double
#include "triangle.h"
#undef SCALAR
#undef OF_TYPE

#include "blocks.h"
#include "block-layouts.h"

const struct nas_kernels TABLE = {
    .add = add,
    .scale = scale,
    .add_scaled = add_scaled,
    .add_magnitudes = add_magnitudes,
    .add_squares = add_squares,
    .multiply = multiply,
    .add_products = add_products,
    .adam = adam,
    .widen_half = widen_half,
    .dot = dot,
    .maximum = maximum,
    .exponentials = exponentials,
    .sum_exp = sum_exp,
    .softmax = softmax,
    .softmax_with = softmax_with,
    .softmax_expectation = softmax_expectation,
    .softmax_backward = softmax_backward,
    .rms_norm = rms_norm,
    .rms_norm_backward = rms_norm_backward,
    .silu_multiply = silu_multiply,
    .silu_multiply_backward = silu_multiply_backward,
    .gelu_multiply = gelu_multiply,
    .gelu_multiply_backward = gelu_multiply_backward,
    .clamped_multiply = clamped_multiply,
    .clamped_multiply_backward = clamped_multiply_backward,
    .soft_cap = soft_cap,
    .soft_cap_backward = soft_cap_backward,
    .rotate = rotate,
    .rotate_back = rotate_back,
    .remember_float = remember_float,
    .remember_bfloat16 = remember_bfloat16,
    .attend_float = attend_float,
    .attend_bfloat16 = attend_bfloat16,
    .factorise_float = factorise_float,
    .factorise_double = factorise_double,
    .invert_lower_float = invert_lower_float,
    .invert_lower_double = invert_lower_double,
    .encode_row = encode_row,
};
