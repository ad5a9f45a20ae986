/* A rounded quotient of binary32 numbers: see float_quotient.h. */
#include "float_quotient.h"

#define HIDDEN ((uint32_t)1 << 23)
#define INFINITE 255u

/* magnitude = m * 2^e with 2^23 <= m < 2^24; needs a magnitude that is neither 0 nor infinite. */
static uint32_t split(uint32_t bits, int32_t *e)
{
    uint32_t exponent = (bits >> 23) & 0xFFu;
    uint32_t m = bits & (HIDDEN - 1u);
    *e = (int32_t)(exponent > 0 ? exponent : 1u) - 150;
    if (exponent > 0)
        return m | HIDDEN;
    for (; m < HIDDEN; m <<= 1) /* denormal */
        *e -= 1;
    return m;
}

bool k_float_quotient(uint32_t x, uint32_t scale, int32_t *rounded)
{
    int32_t e_x;
    int32_t e_s;
    *rounded = 0;
    if ((x & 0x7FFFFFFFu) == 0)
        return true;
    if (((x >> 23) & 0xFFu) == INFINITE)
        return false;
    uint32_t m_x = split(x, &e_x);
    uint32_t m_s = split(scale, &e_s);
    int32_t extra = m_x < m_s ? 25 : 24; /* so that the quotient has 25 bits */
    uint64_t dividend = (uint64_t)m_x << extra;
    uint32_t q = (uint32_t)(dividend / m_s);
    bool is_inexact = dividend % m_s != 0;
    uint32_t m = q >> 1;
    if ((q & 1u) != 0 && (is_inexact || (m & 1u) != 0))
        m++;                           /* 2^24 at most: its exponent need not change */
    int32_t e = e_x - e_s - extra + 1; /* a denormal quotient rounds to 0, whatever its last bits are */
    if (e > 7)
        return false; /* m >= 2^23 */
    uint32_t magnitude = 0;
    if (e >= 0)
        magnitude = m << e;
    else if (e >= -25)
        magnitude = (m + ((uint32_t)1 << (-e - 1))) >> -e;
    if (magnitude >= 0x7FFF0000u)
        return false;
    *rounded = x >> 31 != 0 ? -(int32_t)magnitude : (int32_t)magnitude;
    return true;
}
