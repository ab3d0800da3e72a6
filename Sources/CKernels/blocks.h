// Rounding to the blocks of ggml. `kernels.h` includes it. Layouts are those that `BlockDecoding.swift` and
// `SuperBlockDecoding.swift` of Checkpoints read, and the choices those of ggml's reference encoder: a lane takes one
// run of elements and adds its sums in order, so the bytes are the same as there, and with every set of instructions.

enum { RUN = 32, SUPER = 256, SMALL_BYTES = 24 };

// A half at any place; false if the value is too large for it.
INLINE bool put_half(float value, uint8_t *at) {
  uint16_t half = nas_half_pattern(value);
  memcpy(at, &half, sizeof half);
  return (half & 0x7c00) != 0x7c00;
}

INLINE float half_of(float value) { return nas_half_value(nas_half_pattern(value)); }

// The nearest whole number, ties to even, of a magnitude up to 2²².
INLINE floats nearest(floats x) { return (x + 12582912.0f) - 12582912.0f; }
INLINE float nearest_one(float x) { return (x + 12582912.0f) - 12582912.0f; }

// The nearest whole number in a range; its smallest for NaN.
INLINE floats level(floats x, float smallest, float largest) {
  floats bounded = x < largest ? nearest(x) : largest;
  return x > smallest ? bounded : smallest;
}

// Element i of sixteen runs of n elements, one behind the other; zeros behind the last run.
INLINE void gather(const float *x, ptrdiff_t runs, int n, floats *columns) {
  for (int i = 0; i < n; i++) {
    float lanes[LANES];
    for (int lane = 0; lane < LANES; lane++) lanes[lane] = lane < runs ? x[lane * n + i] : 0;
    columns[i] = load(lanes);
  }
}

INLINE void scatter(const floats *columns, int n, uint8_t levels[LANES][RUN]) {
  for (int i = 0; i < n; i++) {
    float lanes[LANES];
    store(columns[i], lanes);
    for (int lane = 0; lane < LANES; lane++) levels[lane][i] = (uint8_t)(int)lanes[lane];
  }
}

// ---- fits ----

// The element of the largest magnitude, the first of those.
INLINE floats extreme(const floats *x, int n) {
  floats magnitude = 0, result = 0;
  for (int i = 0; i < n; i++) {
    floats own = __builtin_elementwise_abs(x[i]);
    result = own > magnitude ? x[i] : result;
    magnitude = own > magnitude ? own : magnitude;
  }
  return result;
}

INLINE floats inverse_of(floats x) {
  floats inverse = 1 / x;
  return x == 0 ? (floats)0 : inverse;
}

// The scale d for which d·(q − top) meets the extreme element, with 0 ≤ q < 2·top.
INLINE floats span_symmetric(const floats *x, int n, float top, floats *q) {
  floats d = extreme(x, n) / -top, inverse = inverse_of(d);
  for (int i = 0; i < n; i++) {
    floats value = __builtin_elementwise_trunc(x[i] * inverse + (top + 0.5f));
    q[i] = value < 2 * top - 1 ? value : 2 * top - 1;
  }
  return d;
}

// The scale d and the minimum for which d·q + minimum spans all elements, with 0 ≤ q ≤ top.
INLINE floats span(const floats *x, int n, float top, floats *q, floats *minimum) {
  floats low = x[0], high = x[0];
  for (int i = 1; i < n; i++) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
  }
  floats d = (high - low) / top, inverse = inverse_of(d);
  for (int i = 0; i < n; i++) {
    floats value = __builtin_elementwise_trunc((x[i] - low) * inverse + 0.5f);
    q[i] = value < top ? value : top;
  }
  *minimum = low;
  return d;
}

// The scale d of least Σ w·(x − d·(q − top))² among nineteen roundings, with 0 ≤ q < 2·top. `w` may be NULL for x².
INLINE floats fit_symmetric(const floats *x, const floats *w, int n, float top, floats *q) {
  floats peak = extreme(x, n), scale = 0, best = 0;
  for (int i = 0; i < n; i++) q[i] = 0;
  for (int trial = 0; trial < 19; trial++) {
    // The rounding that meets the extreme element comes first.
    int shift = trial == 0 ? 0 : trial <= 9 ? trial - 10 : trial - 9;
    floats inverse = -(top + 0.1f * (float)shift) / peak, along = 0, square = 0, own[RUN];
    for (int i = 0; i < n; i++) {
      floats l = level(inverse * x[i], -top, top - 1), weight = w ? w[i] : x[i] * x[i];
      own[i] = l + top;
      along += weight * x[i] * l;
      square += weight * l * l;
    }
    floats found = along / square;
    words isBetter = trial == 0 ? (words)(square == square) : (words)(square > 0) & (words)(along * along > best * square);
    found = square == 0 ? (floats)0 : found;
    for (int i = 0; i < n; i++) q[i] = isBetter ? own[i] : q[i];
    best = isBetter ? found * along : best;
    scale = isBetter ? found : scale;
  }
  words isEmpty = (words)(__builtin_elementwise_abs(peak) < 1e-15f);
  for (int i = 0; i < n; i++) q[i] = isEmpty ? (floats)0 : q[i];
  return isEmpty ? (floats)0 : scale;
}

// How many roundings are tried, and by how much their steps are smaller than the one that spans the elements.
struct trials {
  float first, step;
  int last;
};

// The scale d and the minimum m ≥ 0 of least Σ w·(x − d·q + m)² among some roundings, with 0 ≤ q ≤ top.
INLINE floats fit(
    const floats *x, const floats *w, int n, float top, struct trials trials, floats *q, floats *minimum) {
  floats low = x[0], high = x[0], sum_w = w[0], sum_x = sum_w * x[0];
  for (int i = 1; i < n; i++) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
    sum_w += w[i];
    sum_x += w[i] * x[i];
  }
  low = low > 0 ? (floats)0 : low;
  words isFlat = (words)(high <= low);
  floats inverse = top / (high - low), scale = 1 / inverse, error = 0;
  for (int i = 0; i < n; i++) {
    q[i] = level(inverse * (x[i] - low), 0, top);
    floats difference = scale * q[i] + low - x[i];
    error += w[i] * (difference * difference);
  }
  for (int trial = 0; trial <= trials.last; trial++) {
    inverse = (trials.first + trials.step * (float)trial + top) / (high - low);
    floats sum_l = 0, sum_l2 = 0, sum_xl = 0, own[RUN], found_error = 0;
    for (int i = 0; i < n; i++) {
      floats l = level(inverse * (x[i] - low), 0, top), weighted = w[i] * l;
      own[i] = l;
      sum_l += weighted;
      sum_l2 += weighted * l;
      sum_xl += weighted * x[i];
    }
    floats determinant = sum_w * sum_l2 - sum_l * sum_l;
    floats found = (sum_w * sum_xl - sum_x * sum_l) / determinant;
    floats found_low = (sum_l2 * sum_x - sum_l * sum_xl) / determinant;
    found = found_low > 0 ? sum_xl / sum_l2 : found;
    found_low = found_low > 0 ? (floats)0 : found_low;
    for (int i = 0; i < n; i++) {
      floats difference = found * own[i] + found_low - x[i];
      found_error += w[i] * (difference * difference);
    }
    words isBetter = (words)(determinant > 0) & (words)(found_error < error);
    for (int i = 0; i < n; i++) q[i] = isBetter ? own[i] : q[i];
    error = isBetter ? found_error : error;
    scale = isBetter ? found : scale;
    low = isBetter ? found_low : low;
  }
  for (int i = 0; i < n; i++) q[i] = isFlat ? (floats)0 : q[i];
  *minimum = -low;
  return isFlat ? (floats)0 : scale;
}

// The scale d of least Σ w·(x − d·q)² for a few numbers that are not negative, with 0 ≤ q ≤ top: nine roundings are
// tried, and single levels are moved while that gains something.
static float fit_positive(const float *x, const float *w, int n, float top, uint8_t *q) {
  float high = 0;
  for (int i = 0; i < n; i++) high = x[i] > high ? x[i] : high;
  memset(q, 0, (size_t)n);
  if (high < 1e-15f) return 0;
  float best = 0, inverse = top / high;
  for (int trial = 0; trial < 9; trial++) {
    float shift = trial == 0 ? 0 : trial <= 4 ? (float)(trial - 5) : (float)(trial - 4);
    float own = (0.1f * shift + top) / high, scale = 1 / own, error = 0;
    for (int i = 0; i < n; i++) {
      float l = nearest_one(own * x[i]), difference = x[i] - scale * (l < top ? l : top);
      error += w[i] * difference * difference;
    }
    if (trial > 0 && !(error < best)) continue;
    best = error;
    inverse = own;
  }
  float along = 0, square = 0;
  for (int i = 0; i < n; i++) {
    float l = nearest_one(inverse * x[i]);
    l = l < top ? l : top;
    q[i] = (uint8_t)(l > 0 ? l : 0);
    along += w[i] * x[i] * q[i];
    square += w[i] * q[i] * q[i];
  }
  for (int round = 0; round < 5; round++) {
    bool hasChanged = false;
    for (int i = 0; i < n; i++) {
      float others = along - w[i] * x[i] * q[i], square_others = square - w[i] * q[i] * q[i];
      if (!(others > 0 && square_others > 0)) continue;
      float l = x[i] * square_others / others;
      l = l < top ? nearest_one(l) : top;
      if (l == q[i]) continue;
      others += w[i] * x[i] * l;
      square_others += w[i] * l * l;
      if (!(others * others * square > along * along * square_others)) continue;
      q[i] = (uint8_t)l;
      along = others;
      square = square_others;
      hasChanged = true;
    }
    if (!hasChanged) break;
  }
  return square > 0 ? along / square : 0;
}

// Weights of squared errors: large elements count more, as more depends on them.
INLINE void weigh(const floats *x, const floats *importance, floats square, int n, floats *w) {
  for (int i = 0; i < n; i++) w[i] = importance[i] * __builtin_elementwise_sqrt(square + x[i] * x[i]);
}

static float sum_of_squares(const float *x, ptrdiff_t count) {
  float sum = 0;
  for (ptrdiff_t i = 0; i < count; i++) sum += x[i] * x[i];
  return sum;
}
