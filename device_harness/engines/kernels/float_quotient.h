/* How is a float32 quantized without floating point? The quotient of two binary32 numbers in integers. */
#ifndef COVERIFY_FLOAT_QUOTIENT_H
#define COVERIFY_FLOAT_QUOTIENT_H

#include <stdbool.h>
#include <stdint.h>

/* x / scale, both bits of a binary32, rounded to binary32 (to nearest, ties to even), then to an integer, halves
 * away from zero. Needs scale positive and finite. False: not a number, or of magnitude 2^31 - 2^16 or more.
 * Source: AffineQuantize, TFLM reference/quantize.h. */
bool k_float_quotient(uint32_t x, uint32_t scale, int32_t *rounded);

#endif
