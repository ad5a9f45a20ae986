/* VECTORS of protocol.h: corners, then the output function of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). */
#include "vector.h"

#include "bytes.h"

#define CORNERS 4u
#define GOLDEN 0x9E3779B97F4A7C15u
#define FLOAT_BITS 24u /* of a significand: what a binary32 holds exactly */
#define FLOAT_EXPONENT 100
#define FLOAT_BIAS 127

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/* 2^bits - 1; needs bits <= 32 */
static uint32_t mask_of(uint8_t bits)
{
    return bits < 32u ? ((uint32_t)1 << bits) - 1u : UINT32_MAX;
}

static bool fits_float(uint32_t x)
{
    const uint32_t most = (uint32_t)1 << FLOAT_BITS;
    return x <= most || 0u - x <= most;
}

bool cv_element_read(const uint8_t *p, uint32_t n, struct cv_element *e)
{
    e->width = p[0];
    e->bits = p[1];
    e->is_float = p[2] == 1;
    e->exponent = (int8_t)(p[3] < 0x80u ? p[3] : p[3] - 0x100);
    e->least = cv_load_u32(p + 4);
    e->zero = cv_load_u32(p + 8);
    bool is_width = e->width == 1 || e->width == 2 || e->width == 4;
    if (!is_width || n % e->width != 0 || e->bits > 8u * e->width || p[2] > 1)
        return false;
    if (!e->is_float)
        return e->exponent == 0;
    return e->width == 4 && e->bits <= FLOAT_BITS && e->exponent >= -FLOAT_EXPONENT &&
           e->exponent <= FLOAT_EXPONENT && fits_float(e->least) && fits_float(e->least + mask_of(e->bits)) &&
           fits_float(e->zero);
}

/* The bits of the int32 x times 2^exponent; |x| <= 2^24, so that it is exact and normal. */
static uint32_t float_of(uint32_t x, int32_t exponent)
{
    uint32_t sign = x & 0x80000000u;
    uint32_t magnitude = sign != 0 ? 0u - x : x;
    int32_t top = 0;
    if (magnitude == 0)
        return 0;
    while (magnitude >> (top + 1) != 0)
        top++;
    /* of 2^24 the last bit, which is 0, is left out */
    uint32_t fraction = top > 23 ? magnitude >> (top - 23) : magnitude << (23 - top);
    return sign | ((uint32_t)(FLOAT_BIAS + top + exponent) << 23) | (fraction & 0x7FFFFFu);
}

static void put(const struct cv_element *e, uint32_t x, uint8_t *to)
{
    uint32_t bits = e->is_float ? float_of(x, e->exponent) : x;
    for (uint32_t i = 0; i < e->width; i++)
        to[i] = (uint8_t)((bits >> (8u * i)) & 0xFFu);
}

static void fill_corner(const struct cv_vector *v, const struct cv_element *e, uint8_t *to, uint32_t n)
{
    const uint32_t all[3] = {e->least, e->least + mask_of(e->bits), e->zero};
    for (uint32_t i = 0; i < n / e->width; i++)
        put(e, all[v->number < 3u ? v->number : i % 2u], to + i * e->width);
}

void cv_vector_fill(const struct cv_vector *v, const struct cv_element *e, uint32_t ordinal, uint8_t *to,
                    uint32_t n)
{
    uint64_t base = mix(mix(mix(v->seed) + v->number) + ordinal);
    uint64_t word = 0;
    if (v->number < CORNERS) {
        fill_corner(v, e, to, n);
        return;
    }
    for (uint32_t i = 0; i < n; i += e->width) {
        if (i % 8u == 0)
            word = mix(base + (i / 8u + 1u) * (uint64_t)GOLDEN);
        uint32_t r = (uint32_t)((word >> (8u * (i % 8u))) & UINT32_MAX);
        put(e, e->least + ((r - e->least) & mask_of(e->bits)), to + i);
    }
}
