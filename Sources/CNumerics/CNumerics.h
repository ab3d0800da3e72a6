// OpenBLAS and GSL under one module.
//
// GSL brings its own declaration of CBLAS; OpenBLAS's is used instead, so GSL's header is switched off.
#ifndef CNUMERICS_H
#define CNUMERICS_H

#include <cblas.h>

#define __GSL_CBLAS_H__
#include <gsl/gsl_eigen.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_multimin.h>
#include <gsl/gsl_qrng.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <gsl/gsl_sf_erf.h>
#include <gsl/gsl_statistics_double.h>

// GSL's tables of methods are C variables, which Swift 6 does not let touch.
static inline const gsl_multimin_fdfminimizer_type *nas_minimizer_bfgs2(void) {
  return gsl_multimin_fdfminimizer_vector_bfgs2;
}
static inline const gsl_qrng_type *nas_sequence_sobol(void) { return gsl_qrng_sobol; }
static inline const gsl_qrng_type *nas_sequence_halton(void) { return gsl_qrng_reversehalton; }

// glibc's allocator: gives freed memory back to the system.
#ifdef __linux__
#include <malloc.h>
#endif

#endif
