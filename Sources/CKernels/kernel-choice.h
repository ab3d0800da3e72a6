#include "VectorKernels.h"

#include <string.h>

// The name that `kernels.h` defines in each file that includes it.
extern const struct nas_kernels nas_portable_kernels, nas_avx2_kernels, nas_avx512_kernels;
