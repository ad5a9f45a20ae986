/* VECTORS of protocol.h: corners, then the output function of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). */
#include "vector.h"

#include <string.h>

#define CORNERS 4u
#define GOLDEN 0x9E3779B97F4A7C15u

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static void fill_corner(const struct cv_vector *v, uint8_t *to, uint32_t n)
{
    const uint8_t all[3] = {0x80u, 0x7Fu, v->zero};
    if (v->number < sizeof all)
        memset(to, all[v->number], n);
    else
        for (uint32_t i = 0; i < n; i++)
            to[i] = all[i % 2u];
}

void cv_vector_fill(const struct cv_vector *v, uint32_t ordinal, uint8_t *to, uint32_t n)
{
    uint64_t base = mix(mix(mix(v->seed) + v->number) + ordinal);
    uint64_t word = 0;
    if (v->number < CORNERS) {
        fill_corner(v, to, n);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (i % 8u == 0)
            word = mix(base + (i / 8u + 1u) * (uint64_t)GOLDEN);
        to[i] = (uint8_t)((word >> (8u * (i % 8u))) & 0xFFu);
    }
}
