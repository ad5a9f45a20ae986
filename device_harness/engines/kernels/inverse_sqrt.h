/* How does TFLM compute 1 / sqrt(n) without floating point? Five Newton steps in Q3.28, from 1.
 *
 * Source: GetInvSqrtQuantizedMultiplierExp, kernels/internal/common.h.
 */
#ifndef COVERIFY_INVERSE_SQRT_H
#define COVERIFY_INVERSE_SQRT_H

#include <stdint.h>

/* multiplier * 2^(shift - 31), -12 <= shift <= 0, of n >= 0; 0 counts as 1. */
void k_inverse_sqrt(int32_t n, int32_t *multiplier, int32_t *shift);

#endif
