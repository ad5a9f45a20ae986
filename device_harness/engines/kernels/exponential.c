/* gemmlowp's exp, reciprocal and tanh: see exponential.h. */
#include "exponential.h"

#include "fixedpoint.h"

int32_t k_saturating_shl(int32_t x, int32_t by)
{
    int64_t wide = (int64_t)x * ((int64_t)1 << by);
    return wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : (int32_t)wide;
}

/* exp(a) for a in [-1/4, 0), Q0.31: a Taylor polynomial around -1/8.
 * |x| <= 2^28, so all sums stay below 2^31. */
static int32_t exp_quarter(int32_t a)
{
    const int32_t exp_minus_eighth = 1895147668;
    const int32_t third = 715827883;
    int32_t x = a + (1 << 28);
    int32_t x2 = k_high_mul(x, x);
    int32_t x3 = k_high_mul(x2, x);
    int32_t x4 = k_high_mul(x2, x2);
    int32_t x4_over_4 = k_round_shr(x4, 2);
    int32_t higher = k_round_shr(k_high_mul(x4_over_4 + x3, third) + x2, 1);
    return exp_minus_eighth + k_high_mul(exp_minus_eighth, x + higher);
}

int32_t k_exp_negative(int32_t a, int32_t integer_bits)
{
    static const int32_t factor[] = {/* exp(-2^(i - 2)) in Q0.31 */
                                     1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
    const int32_t quarter = 1 << (31 - integer_bits - 2);
    if (a == 0)
        return INT32_MAX;
    int32_t rest = (int32_t)((uint32_t)a & (uint32_t)(quarter - 1)) - quarter; /* in [-1/4, 0) */
    int32_t result = exp_quarter(rest * (1 << integer_bits));                  /* >= -2^29 */
    uint32_t steps = (uint32_t)(rest - a);                                     /* a multiple of 1/4 */
    for (int32_t i = 0; i < integer_bits + 2; i++)
        if ((steps & ((uint32_t)quarter << i)) != 0)
            result = k_high_mul(result, factor[i]);
    return result;
}

/* 2 / (1 + a) in Q2.29: three Newton steps on half the denominator. */
static int32_t two_over_one_plus(int32_t a)
{
    const int32_t c48_17 = 1515870810;
    const int32_t minus_c32_17 = -1010580540;
    int32_t half_denominator = (int32_t)(((int64_t)a + INT32_MAX + 1) / 2);
    int32_t x = c48_17 + k_high_mul(half_denominator, minus_c32_17);
    for (int i = 0; i < 3; i++) {
        int32_t rest = (1 << 29) - k_high_mul(half_denominator, x);
        x += k_saturating_shl(k_high_mul(x, rest), 2);
    }
    return x;
}

int32_t k_one_over_one_plus(int32_t a)
{
    return k_saturating_shl(two_over_one_plus(a), 1);
}

int32_t k_one_minus_over_one_plus(int32_t a)
{
    return k_saturating_shl(two_over_one_plus(a) - (1 << 29), 2);
}
