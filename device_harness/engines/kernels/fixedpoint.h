/* How does TFLM round? The integer primitives of its reference kernels, every one defined for all inputs.
 *
 * Double rounding (TFLM's default): a rounding doubling high multiply, ties up, then a rounding right shift,
 * ties away from zero. Where TFLM overflows a signed integer the result here is the wrapped one, which is
 * what its builds compute.
 * Sources: gemmlowp fixedpoint.h; MultiplyByQuantizedMultiplier in tensorflow/lite/kernels/internal/common.
 */
#ifndef COVERIFY_FIXEDPOINT_H
#define COVERIFY_FIXEDPOINT_H

#include <stdint.h>

#include "bytes.h"

/* a + b modulo 2^32 */
static inline int32_t k_wrap_add(int32_t a, int32_t b)
{
    return cv_as_i32((uint32_t)a + (uint32_t)b);
}

/* x * 2^by modulo 2^32; needs 0 <= by <= 31 */
static inline int32_t k_wrap_shl(int32_t x, int32_t by)
{
    return cv_as_i32((uint32_t)x << by);
}

/* floor(x / 2^by) without relying on how >> treats negative numbers; needs 0 <= by <= 31 */
static inline int32_t k_shr(int32_t x, int32_t by)
{
    return x >= 0 ? (int32_t)((uint32_t)x >> by) : -1 - (int32_t)((uint32_t)(-1 - x) >> by);
}

/* trunc((a*b + nudge) / 2^31) = floor(a*b / 2^31 + 1/2); INT32_MAX for INT32_MIN * INT32_MIN.
 * |a*b| <= 2^62 and |nudge| <= 2^30, so the sum fits int64. */
static inline int32_t k_high_mul(int32_t a, int32_t b)
{
    if (a == INT32_MIN && b == INT32_MIN)
        return INT32_MAX;
    int64_t ab = (int64_t)a * b;
    int64_t nudge = ab >= 0 ? ((int64_t)1 << 30) : 1 - ((int64_t)1 << 30);
    return (int32_t)((ab + nudge) / ((int64_t)1 << 31));
}

/* x / 2^by to nearest, ties away from zero; needs 0 <= by <= 31 */
static inline int32_t k_round_shr(int32_t x, int32_t by)
{
    int32_t mask = (int32_t)(((uint32_t)1 << by) - 1u);
    int32_t remainder = (int32_t)((uint32_t)x & (uint32_t)mask);
    int32_t threshold = (mask >> 1) + (x < 0 ? 1 : 0);
    return k_shr(x, by) + (remainder > threshold ? 1 : 0);
}

/* x * multiplier * 2^(shift - 31), double rounding; needs -31 <= shift <= 30, multiplier >= 0.
 * x * 2^shift wraps when shift > 0 and it does not fit int32. */
static inline int32_t k_requantize(int32_t x, int32_t multiplier, int32_t shift)
{
    int32_t left = shift > 0 ? shift : 0;
    int32_t right = shift > 0 ? 0 : -shift;
    return k_round_shr(k_high_mul(k_wrap_shl(x, left), multiplier), right);
}

/* needs lo <= hi */
static inline int32_t k_clamp32(int32_t x, int32_t lo, int32_t hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

/* Within int16. */
static inline int32_t k_clamp16(int32_t x)
{
    return k_clamp32(x, INT16_MIN, INT16_MAX);
}

/* needs lo <= hi, both within int8 */
static inline int8_t k_clamp(int32_t x, int32_t lo, int32_t hi)
{
    return (int8_t)k_clamp32(x, lo, hi);
}

#endif
