// OpenBLAS (BLAS and LAPACK) and GSL under one module.
//
// GSL brings its own declaration of CBLAS; OpenBLAS's is used instead, so GSL's header is switched off.
#ifndef CNUMERICS_H
#define CNUMERICS_H

#include <cblas.h>

#define __GSL_CBLAS_H__
#include <gsl/gsl_errno.h>
#include <gsl/gsl_qrng.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>

// LAPACK, Fortran interface, as libopenblas exports it (column-major).
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info);
void spotrf_(const char *uplo, const int *n, float *a, const int *lda, int *info);

// glibc's allocator: gives freed memory back to the system.
#ifdef __linux__
#include <malloc.h>
#endif

#endif
