/* How does TFLM compute exp() and what is made of it without floating point? gemmlowp's fixed-point functions.
 *
 * Source: gemmlowp fixedpoint.h. Qm.n: n bits behind the point.
 */
#ifndef COVERIFY_EXPONENTIAL_H
#define COVERIFY_EXPONENTIAL_H

#include <stdint.h>

/* x * 2^by, saturating; needs 1 <= by <= 6. Source: SaturatingRoundingMultiplyByPOT, by > 0. */
int32_t k_saturating_shl(int32_t x, int32_t by);

/* exp(a) for a <= 0: a with integer_bits (4 or 5) before the point, result in Q0.31. */
int32_t k_exp_negative(int32_t a, int32_t integer_bits);

/* 1 / (1 + a) and (1 - a) / (1 + a) for a in [0, 1), all in Q0.31. */
int32_t k_one_over_one_plus(int32_t a);
int32_t k_one_minus_over_one_plus(int32_t a);

#endif
