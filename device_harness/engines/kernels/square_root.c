/* Square root, bit by bit: see square_root.h. */
#include "square_root.h"

#include <stdint.h>
#include <string.h>

#define FRACTION_BITS 52
#define BIAS 1023

/* floor(sqrt(x * 2^54)), 54 bits: one more than a double holds; needs 2^52 <= x < 2^54. */
static uint64_t root_of(uint64_t x)
{
    uint64_t root = 0;
    uint64_t rest = 0; /* <= 2 * root */
    for (int32_t i = 53; i >= 0; i--) {
        rest = rest * 4u + (i >= 27 ? x >> (2 * (i - 27)) & 3u : 0u);
        uint64_t next = root * 4u + 1u;
        root *= 2u;
        if (rest >= next) {
            rest -= next;
            root++;
        }
    }
    return root;
}

double k_square_root(double x)
{
    const uint64_t one = (uint64_t)1 << FRACTION_BITS;
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int32_t exponent = (int32_t)(bits >> FRACTION_BITS) - BIAS;
    uint64_t fraction = (bits & (one - 1u)) | one;
    if ((exponent & 1) != 0) { /* twice the fraction of an even exponent */
        fraction *= 2u;
        exponent--;
    }
    uint64_t rounded =
        (root_of(fraction) + 1u) >> 1; /* never a tie: its square would have more than 53 bits */
    bits = ((uint64_t)(exponent / 2 + BIAS) << FRACTION_BITS) + (rounded - one);
    memcpy(&x, &bits, sizeof x);
    return x;
}
