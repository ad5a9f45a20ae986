/* 1 / sqrt(n): see inverse_sqrt.h. */
#include "inverse_sqrt.h"

#include "exponential.h"
#include "fixedpoint.h"

void k_inverse_sqrt(int32_t n, int32_t *multiplier, int32_t *shift)
{
    const int32_t three_halves = (1 << 28) + (1 << 27);
    const int32_t half_sqrt_two = 1518500250; /* Q0.31 */
    int32_t right = 11;
    *multiplier = INT32_MAX;
    *shift = 0;
    if (n <= 1)
        return;
    if (n >= 1 << 29) {
        n /= 4;
        right++;
    }
    for (; n < 1 << 27; right--) /* by pairs of bits, until one pair is left before the sign */
        n *= 4;
    int32_t half = k_round_shr(n >> 1, 1);
    int32_t x = 1 << 28;
    for (int i = 0; i < 5; i++) {
        int32_t cube = k_saturating_shl(k_high_mul(k_high_mul(x, x), x), 6);
        x = k_saturating_shl(k_high_mul(x, three_halves) - k_high_mul(half, cube), 3);
    }
    x = k_high_mul(x, half_sqrt_two);
    *multiplier = right < 0 ? k_wrap_shl(x, -right) : x;
    *shift = right < 0 ? 0 : -right;
}
