#ifndef NAS_SEARCH_LIBFUZZER_H
#define NAS_SEARCH_LIBFUZZER_H

// What a program that is linked with -sanitize=fuzzer gets from libFuzzer.
// Source: <https://llvm.org/docs/LibFuzzer.html>.

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerRunDriver(int *count, char ***arguments, int (*run)(const uint8_t *data, size_t size));
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t limit);

#endif
