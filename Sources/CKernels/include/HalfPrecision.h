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

// The upper half of a single, to the nearest, ties to even; NaN stays NaN.
static inline uint16_t nas_bfloat16_pattern(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  if (x != x) return (uint16_t)(bits >> 16 | 0x40);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

#endif
