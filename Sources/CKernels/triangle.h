// The loops of a small lower triangle, for elements of type SCALAR. `kernels.h` includes it for each type. Each
// element's sum runs in order, so the compiler may use vectors of any width.

// y −= factor·x
INLINE void OF_TYPE(subtract)(SCALAR factor, const SCALAR *x, SCALAR *y, ptrdiff_t count) {
  EACH(i, count) y[i] -= factor * x[i];
}

static ptrdiff_t OF_TYPE(factorise)(ptrdiff_t n, SCALAR *a, ptrdiff_t lda, SCALAR *work, ptrdiff_t ldw) {
  for (ptrdiff_t i = 0; i < n; i++)
    for (ptrdiff_t j = 0; j <= i; j++) work[j * ldw + i] = a[i * lda + j];
  for (ptrdiff_t j = 0; j < n; j++) {
    SCALAR *column = work + j * ldw;
    if (!(column[j] > 0 && __builtin_isfinite(column[j]))) return j + 1;
    SCALAR scale = 1 / __builtin_elementwise_sqrt(column[j]);
    EACH(i, n - j) column[j + i] *= scale;
    for (ptrdiff_t k = j + 1; k < n; k++) OF_TYPE(subtract)(column[k], column + k, work + k * ldw + k, n - k);
  }
  for (ptrdiff_t i = 0; i < n; i++)
    for (ptrdiff_t j = 0; j <= i; j++) a[i * lda + j] = work[j * ldw + i];
  return 0;
}

static void OF_TYPE(invert_lower)(ptrdiff_t n, const SCALAR *l, ptrdiff_t ldl, SCALAR *x, ptrdiff_t ldx) {
  for (ptrdiff_t i = 0; i < n; i++) {
    SCALAR *row = x + i * ldx;
    for (ptrdiff_t j = 0; j < n; j++) row[j] = j == i;
    for (ptrdiff_t k = 0; k < i; k++) OF_TYPE(subtract)(l[i * ldl + k], x + k * ldx, row, k + 1);
    SCALAR scale = 1 / l[i * ldl + i];
    EACH(j, i + 1) row[j] *= scale;
  }
}
