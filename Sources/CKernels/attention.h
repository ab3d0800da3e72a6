// Attention of one new position to cached ones. Included once for each type of the cache's elements: ELEMENT,
// OF_TYPE(name), and load_elements, which widens the next vector of a row that has `left` elements left.

// Scores of 16 positions by `rows` query heads; consecutive rows of q are d apart, those of the scores `stride`.
INLINE void OF_TYPE(score_panel)(
    const int rows, const float *q, ptrdiff_t d, const ELEMENT *keys, float scale, float *scores, ptrdiff_t stride) {
  floats sum[4] = {0};
  for (ptrdiff_t i = 0; i < d; i++) {
    floats key = OF_TYPE(load_elements)(keys + i * LANES, LANES);
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) sum[r] += key * q[r * d + i];
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++) store(sum[r] * scale, scores + r * stride);
}

// Up to four vectors of the means of `rows` query heads; the first `left` values are written.
INLINE void OF_TYPE(mean_of_values)(
    const int rows, const int vectors, const float *p, ptrdiff_t stride, const ELEMENT *values, ptrdiff_t count,
    ptrdiff_t d, ptrdiff_t left, float *context) {
  floats sum[4][4] = {{0}};
  for (ptrdiff_t j = 0; j < count; j++, values += d) {
    floats value[4];
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) value[v] = OF_TYPE(load_elements)(values + v * LANES, left - v * LANES);
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
      for (int v = 0; v < vectors; v++) sum[r][v] += value[v] * p[r * stride + j];
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) store_part(sum[r][v], context + r * d + v * LANES, left - v * LANES);
}

INLINE void OF_TYPE(attend_rows)(
    const int rows, const float *query, ptrdiff_t d, const ELEMENT *keys, const ELEMENT *values, ptrdiff_t first,
    ptrdiff_t end, float scale, float cap, const float *sinks, float *scores, float *context) {
  ptrdiff_t start = first / LANES * LANES, stride = (end - start + LANES - 1) / LANES * LANES;
  for (ptrdiff_t j = start; j < end; j += LANES)
    OF_TYPE(score_panel)(rows, query, d, keys + j * d, scale, scores + (j - start), stride);
  float *seen = scores + (first - start);
  for (int r = 0; cap != 0 && r < rows; r++) soft_cap(seen + r * stride, cap, end - first);
  for (int r = 0; r < rows; r++)
    softmax_with(seen + r * stride, sinks ? sinks[r] : -__builtin_inff(), end - first);
  ptrdiff_t i = 0;
  for (; i + 4 * LANES <= d; i += 4 * LANES)
    OF_TYPE(mean_of_values)(rows, 4, seen, stride, values + first * d + i, end - first, d, d - i, context + i);
  for (; i < d; i += LANES)
    OF_TYPE(mean_of_values)(rows, 1, seen, stride, values + first * d + i, end - first, d, d - i, context + i);
}

static void OF_TYPE(attend)(
    const float *query, ptrdiff_t rows, ptrdiff_t d, const ELEMENT *keys, const ELEMENT *values, ptrdiff_t first,
    ptrdiff_t end, float scale, float cap, const float *sinks, float *scores, float *context) {
  for (ptrdiff_t r = 0; r < rows; r += 4, query += 4 * d, context += 4 * d, sinks = sinks ? sinks + 4 : sinks)
    switch (rows - r) {
    case 1: OF_TYPE(attend_rows)(1, query, d, keys, values, first, end, scale, cap, sinks, scores, context); break;
    case 2: OF_TYPE(attend_rows)(2, query, d, keys, values, first, end, scale, cap, sinks, scores, context); break;
    case 3: OF_TYPE(attend_rows)(3, query, d, keys, values, first, end, scale, cap, sinks, scores, context); break;
    default: OF_TYPE(attend_rows)(4, query, d, keys, values, first, end, scale, cap, sinks, scores, context);
    }
}

static void OF_TYPE(remember)(
    const float *key, const float *value, ptrdiff_t d, ELEMENT *keys, ELEMENT *values, ptrdiff_t position) {
  keys += position / LANES * LANES * d + position % LANES;
  values += position * d;
  for (ptrdiff_t i = 0; i < d; i++) {
    keys[i * LANES] = OF_TYPE(narrow)(key[i]);
    values[i] = OF_TYPE(narrow)(value[i]);
  }
}
