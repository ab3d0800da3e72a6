// How fitted levels and scales lie in the blocks of ggml. `kernels.h` includes it behind `blocks.h`.

// The blocks of 32 elements: one half d, with `_1` another for the minimum, the fifth bits of five, and the low four
// bits of elements j and j + 16 in a byte.
static bool small_blocks(
    enum nas_block_type type, const float *x, const float *importance, ptrdiff_t columns, uint8_t *block) {
  bool hasMinimum = type == NAS_Q4_1 || type == NAS_Q5_1, hasFifth = type == NAS_Q5_0 || type == NAS_Q5_1;
  bool isFinite = true;
  float square = importance ? sum_of_squares(x, columns) / (float)columns : 0;
  for (ptrdiff_t start = 0; start < columns; start += LANES * RUN) {
    ptrdiff_t left = (columns - start) / RUN, runs = left < LANES ? left : LANES;
    floats run[RUN], weights[RUN], q[RUN], minimum = 0, d;
    gather(x + start, runs, RUN, run);
    if (importance) {
      gather(importance + start, runs, RUN, weights);
      weigh(run, weights, square, RUN, weights);
    }
    float top = hasFifth ? 16 : 8;
    if (hasMinimum) {
      d = importance ? fit(run, weights, RUN, 2 * top - 1, (struct trials){-0.9f, 0.05f, 36}, q, &minimum)
                     : span(run, RUN, 2 * top - 1, q, &minimum);
      if (importance) minimum = -minimum;
    } else {
      d = importance ? fit_symmetric(run, weights, RUN, top, q) : span_symmetric(run, RUN, top, q);
    }
    uint8_t levels[LANES][RUN];
    scatter(q, RUN, levels);
    for (ptrdiff_t lane = 0; lane < runs; lane++) {
      isFinite &= put_half(d[lane], block);
      block += 2;
      if (hasMinimum) {
        isFinite &= put_half(minimum[lane], block);
        block += 2;
      }
      if (hasFifth) {
        uint32_t fifth = 0;
        for (int i = 0; i < RUN; i++) fifth |= (uint32_t)(levels[lane][i] >> 4) << i;
        memcpy(block, &fifth, sizeof fifth);
        block += sizeof fifth;
      }
      for (int i = 0; i < RUN / 2; i++)
        *block++ = (uint8_t)((levels[lane][i] & 15) | (levels[lane][i + RUN / 2] & 15) << 4);
    }
  }
  return isFinite;
}

// Q8_0: one half d and 32 signed bytes.
static bool byte_blocks(const float *x, ptrdiff_t columns, uint8_t *block) {
  bool isFinite = true;
  for (ptrdiff_t start = 0; start < columns; start += RUN) {
    const float *run = x + start;
    float high = 0;
    for (int i = 0; i < RUN; i++) high = __builtin_fabsf(run[i]) > high ? __builtin_fabsf(run[i]) : high;
    float d = high / 127, inverse = d != 0 ? 1 / d : 0;
    isFinite &= put_half(d, block);
    for (int part = 0; part < RUN; part += LANES) {
      floats q = __builtin_elementwise_round(load(run + part) * inverse);
      for (int i = 0; i < LANES; i++) block[2 + part + i] = (uint8_t)(int8_t)q[i];
    }
    block += 2 + RUN;
  }
  return isFinite;
}

// Eight scales and eight minima of six bits: the first four whole, the low four bits of the others together, their
// upper two above the first.
INLINE void pack_sixes(const uint8_t *scales, const uint8_t *minima, uint8_t *bytes) {
  for (int i = 0; i < 4; i++) {
    bytes[i] = (uint8_t)(scales[i] | (scales[i + 4] >> 4) << 6);
    bytes[i + 4] = (uint8_t)(minima[i] | (minima[i + 4] >> 4) << 6);
    bytes[i + 8] = (uint8_t)((scales[i + 4] & 15) | (minima[i + 4] & 15) << 4);
  }
}

// One scale for some numbers that are not negative, and their six bits each.
INLINE float common_scale(const float *x, const float *weights, uint8_t *q) {
  if (weights) return fit_positive(x, weights, 8, 63, q);
  float high = 0;
  for (int i = 0; i < 8; i++) high = x[i] > high ? x[i] : high;
  float inverse = high > 0 ? 63.0f / high : 0;
  for (int i = 0; i < 8; i++) {
    float l = nearest_one(inverse * x[i]);
    q[i] = (uint8_t)(l > 63 ? 63 : l > 0 ? l : 0);
  }
  return high / 63.0f;
}

// The levels of Q4_K or Q5_K of one block: pairs of runs share bytes, fifth bits come before.
INLINE void pack_pairs(uint8_t levels[][RUN], bool hasFifth, uint8_t *block) {
  if (hasFifth) {
    for (int i = 0; i < RUN; i++) {
      uint8_t fifth = 0;
      for (int run = 0; run < 8; run++) fifth |= (uint8_t)((levels[run][i] >> 4) << run);
      *block++ = fifth;
    }
  }
  for (int run = 0; run < 8; run += 2)
    for (int i = 0; i < RUN; i++) *block++ = (uint8_t)((levels[run][i] & 15) | (levels[run + 1][i] & 15) << 4);
}

// Q4_K and Q5_K: two blocks at once, whose runs of 32 have a scale and a minimum each.
static bool wide_blocks(
    enum nas_block_type type, const float *x, const float *importance, ptrdiff_t columns, uint8_t *block) {
  bool hasFifth = type == NAS_Q5_K, isFinite = true;
  float top = hasFifth ? 31 : 15;
  struct trials trials = importance ? (struct trials){-0.9f, 0.05f, 36}
                         : hasFifth ? (struct trials){-0.5f, 0.1f, 15}
                                    : (struct trials){-1.0f, 0.1f, 20};
  for (ptrdiff_t start = 0; start < columns; start += LANES * RUN) {
    ptrdiff_t blocks = columns - start > SUPER ? 2 : 1;
    floats run[RUN], weights[RUN], q[RUN], minimum, square = 0, total = 0;
    gather(x + start, 8 * blocks, RUN, run);
    if (importance) {
      for (ptrdiff_t i = 0; i < blocks; i++) {
        float own = 2 * sum_of_squares(x + start + i * SUPER, SUPER) / SUPER;
        for (int lane = 0; lane < 8; lane++) square[8 * i + lane] = own;
      }
      gather(importance + start, 8 * blocks, RUN, weights);
      weigh(run, weights, square, RUN, weights);
      for (int i = 0; i < RUN; i++) total += weights[i];
    } else {
      for (int i = 0; i < RUN; i++) square += run[i] * run[i];
      floats mean = __builtin_elementwise_sqrt(square / RUN);
      for (int i = 0; i < RUN; i++) weights[i] = mean + __builtin_elementwise_abs(run[i]);
    }
    float scales[LANES], minima[LANES], sums[LANES], steps[LANES], offsets[LANES];
    store(fit(run, weights, RUN, top, trials, q, &minimum), scales);
    store(minimum, minima);
    store(total, sums);
    uint8_t levels[LANES][RUN], six[2][LANES];
    ptrdiff_t bytes = hasFifth ? 176 : 144;
    for (ptrdiff_t i = 0; i < blocks; i++) {
      const float *own = importance ? sums + 8 * i : NULL;
      float d = common_scale(scales + 8 * i, own, six[0] + 8 * i);
      float m = common_scale(minima + 8 * i, own, six[1] + 8 * i);
      isFinite &= put_half(d, block + i * bytes);
      isFinite &= put_half(m, block + i * bytes + 2);
      pack_sixes(six[0] + 8 * i, six[1] + 8 * i, block + i * bytes + 4);
      for (int lane = 0; lane < 8; lane++) {
        steps[8 * i + lane] = half_of(d) * six[0][8 * i + lane];
        offsets[8 * i + lane] = half_of(m) * six[1][8 * i + lane];
      }
    }
    for (ptrdiff_t lane = 8 * blocks; lane < LANES; lane++) steps[lane] = offsets[lane] = 0;
    floats step = load(steps), offset = load(offsets);
    for (int i = 0; i < RUN; i++) q[i] = step == 0 ? q[i] : level((run[i] + offset) / step, 0, top);
    scatter(q, RUN, levels);
    for (ptrdiff_t i = 0; i < blocks; i++, block += bytes) pack_pairs(levels + 8 * i, hasFifth, block + 16);
  }
  return isFinite;
}

// Q6_K: sixteen runs of sixteen, each with a signed byte as its scale.
static bool six_bit_blocks(const float *x, const float *importance, ptrdiff_t columns, uint8_t *block) {
  enum { BYTES = 210, LENGTH = SUPER / LANES };
  bool isFinite = true;
  for (ptrdiff_t start = 0; start < columns; start += SUPER, block += BYTES) {
    floats run[LENGTH], weights[LENGTH], q[LENGTH];
    gather(x + start, LANES, LENGTH, run);
    if (importance) gather(importance + start, LANES, LENGTH, weights);
    floats scale = fit_symmetric(run, importance ? weights : NULL, LENGTH, 32, q);
    float peak = 0;
    for (int lane = 0; lane < LANES; lane++)
      peak = __builtin_fabsf(scale[lane]) > __builtin_fabsf(peak) ? scale[lane] : peak;
    if (__builtin_fabsf(peak) < 1e-15f) {
      memset(block, 0, BYTES);
      continue;
    }
    float inverse = -128.0f / peak, d = 1 / inverse;
    isFinite &= put_half(d, block + 208);
    floats whole = nearest(inverse * scale);
    whole = whole > 127 ? 127 : whole;
    floats step = half_of(d) * whole;
    for (int i = 0; i < LENGTH; i++) q[i] = step == 0 ? q[i] : level(run[i] / step, -32, 31) + 32;
    uint8_t runs[LANES][RUN], levels[SUPER];
    scatter(q, LENGTH, runs);
    for (int lane = 0; lane < LANES; lane++) {
      memcpy(levels + lane * LENGTH, runs[lane], LENGTH);
      block[192 + lane] = (uint8_t)(int8_t)whole[lane];
    }
    for (int half = 0; half < 2; half++)
      for (int i = 0; i < 32; i++) {
        const uint8_t *own = levels + 128 * half + i;
        block[64 * half + i] = (uint8_t)((own[0] & 15) | (own[64] & 15) << 4);
        block[64 * half + 32 + i] = (uint8_t)((own[32] & 15) | (own[96] & 15) << 4);
        block[128 + 32 * half + i] =
            (uint8_t)(own[0] >> 4 | (own[32] >> 4) << 2 | (own[64] >> 4) << 4 | (own[96] >> 4) << 6);
      }
  }
  return isFinite;
}

static bool encode_row(
    enum nas_block_type type, const float *x, const float *importance, ptrdiff_t columns, uint8_t *block) {
  switch (type) {
  case NAS_Q8_0: return byte_blocks(x, columns, block);
  case NAS_Q4_K:
  case NAS_Q5_K: return wide_blocks(type, x, importance, columns, block);
  case NAS_Q6_K: return six_bit_blocks(x, importance, columns, block);
  default: return small_blocks(type, x, importance, columns, block);
  }
}
