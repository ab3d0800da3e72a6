// zlib and libzstd, which unpack what gzip and zstd packed.
#ifndef CCOMPRESSION_H
#define CCOMPRESSION_H

#include <zlib.h>
#include <zstd.h>

#endif
