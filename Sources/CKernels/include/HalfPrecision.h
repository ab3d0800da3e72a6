#ifndef NAS_SEARCH_HALF_PRECISION_H
#define NAS_SEARCH_HALF_PRECISION_H

#include <stdint.h>
#include <string.h>

// The exact value of an IEEE binary16 pattern, by integer arithmetic, which runs in vectors on any processor.
//
// Exponent and mantissa move into the places they have in binary32; multiplying by 2¹¹² corrects the exponent's bias
// and also makes binary16's subnormals normal. Infinities and NaNs (exponent 31) get exponent 255 instead.
static inline float nas_half_value(uint16_t half) {
  int32_t magnitude = (half & 0x7fff) << 13, value;
  float result;
  memcpy(&result, &magnitude, sizeof result);
  result *= 0x1p112f;
  memcpy(&value, &result, sizeof value);
  if (magnitude >= 0x0f800000) value = magnitude | 0x7f800000;
  value |= (int32_t)((uint32_t)(half & 0x8000) << 16);
  memcpy(&result, &value, sizeof result);
  return result;
}

// The nearest binary16 pattern, ties to even; infinite from a magnitude of 65520, NaN stays NaN.
static inline uint16_t nas_half_pattern(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  // From 2⁻¹⁴ the exponent's bias moves from 127 to 15, and thirteen bits are rounded away.
  if (magnitude >= 0x38800000)
    return (uint16_t)(sign | (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13);
  // Below, the sum with ½ has the spacing 2⁻²⁴ of binary16's subnormals.
  float small;
  memcpy(&small, &magnitude, sizeof small);
  small += 0.5f;
  memcpy(&bits, &small, sizeof bits);
  return (uint16_t)(sign | (bits - 0x3f000000));
}

// The upper half of a single, to the nearest, ties to even; NaN stays NaN.
static inline uint16_t nas_bfloat16_pattern(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  if (x != x) return (uint16_t)(bits >> 16 | 0x40);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

#endif
