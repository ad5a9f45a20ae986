/* SHA-256 (FIPS 180-4) of a message that is wholly in memory: see sha256.h. */
#include "sha256.h"

#include <string.h>

#define BLOCK 64u

static uint32_t rotate(uint32_t x, uint32_t by)
{
    return (x >> by) | (x << (32u - by));
}

static uint32_t load_be(const uint8_t *p)
{
    return ((uint32_t)p[0] << 24) | ((uint32_t)p[1] << 16) | ((uint32_t)p[2] << 8) | (uint32_t)p[3];
}

static void store_be(uint8_t *p, uint32_t x)
{
    p[0] = (uint8_t)(x >> 24);
    p[1] = (uint8_t)((x >> 16) & 0xFFu);
    p[2] = (uint8_t)((x >> 8) & 0xFFu);
    p[3] = (uint8_t)(x & 0xFFu);
}

static const uint32_t round_constant[64] = {
    0x428A2F98u, 0x71374491u, 0xB5C0FBCFu, 0xE9B5DBA5u, 0x3956C25Bu, 0x59F111F1u, 0x923F82A4u, 0xAB1C5ED5u,
    0xD807AA98u, 0x12835B01u, 0x243185BEu, 0x550C7DC3u, 0x72BE5D74u, 0x80DEB1FEu, 0x9BDC06A7u, 0xC19BF174u,
    0xE49B69C1u, 0xEFBE4786u, 0x0FC19DC6u, 0x240CA1CCu, 0x2DE92C6Fu, 0x4A7484AAu, 0x5CB0A9DCu, 0x76F988DAu,
    0x983E5152u, 0xA831C66Du, 0xB00327C8u, 0xBF597FC7u, 0xC6E00BF3u, 0xD5A79147u, 0x06CA6351u, 0x14292967u,
    0x27B70A85u, 0x2E1B2138u, 0x4D2C6DFCu, 0x53380D13u, 0x650A7354u, 0x766A0ABBu, 0x81C2C92Eu, 0x92722C85u,
    0xA2BFE8A1u, 0xA81A664Bu, 0xC24B8B70u, 0xC76C51A3u, 0xD192E819u, 0xD6990624u, 0xF40E3585u, 0x106AA070u,
    0x19A4C116u, 0x1E376C08u, 0x2748774Cu, 0x34B0BCB5u, 0x391C0CB3u, 0x4ED8AA4Au, 0x5B9CCA4Fu, 0x682E6FF3u,
    0x748F82EEu, 0x78A5636Fu, 0x84C87814u, 0x8CC70208u, 0x90BEFFFAu, 0xA4506CEBu, 0xBEF9A3F7u, 0xC67178F2u};

/* One round; the caller renames a ... h instead of moving them, so that all eight stay in registers. */
#define ROUND(a, b, c, d, e, f, g, h, t)                                                                     \
    do {                                                                                                     \
        uint32_t t1 = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + (g ^ (e & (f ^ g))) +             \
                      round_constant[t] + w[(t) % 16u];                                                      \
        uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) | (c & (a | b)));            \
        d += t1;                                                                                             \
        h = t1 + t2;                                                                                         \
    } while (0)

/* The next 16 words of the message schedule, in place of the last 16. */
static void extend(uint32_t w[16])
{
    for (uint32_t t = 0; t < 16; t++) {
        uint32_t x = w[(t + 1u) % 16u];
        uint32_t y = w[(t + 14u) % 16u];
        uint32_t s0 = rotate(x, 7) ^ rotate(x, 18) ^ (x >> 3);
        uint32_t s1 = rotate(y, 17) ^ rotate(y, 19) ^ (y >> 10);
        w[t] += s0 + w[(t + 9u) % 16u] + s1;
    }
}

static void compress(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[16];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (uint32_t t = 0; t < 16; t++)
        w[t] = load_be(block + 4u * t);
    for (uint32_t t = 0; t < 64; t += 8) {
        if (t >= 16 && t % 16u == 0)
            extend(w);
        ROUND(a, b, c, d, e, f, g, h, t);
        ROUND(h, a, b, c, d, e, f, g, t + 1u);
        ROUND(g, h, a, b, c, d, e, f, t + 2u);
        ROUND(f, g, h, a, b, c, d, e, t + 3u);
        ROUND(e, f, g, h, a, b, c, d, t + 4u);
        ROUND(d, e, f, g, h, a, b, c, t + 5u);
        ROUND(c, d, e, f, g, h, a, b, t + 6u);
        ROUND(b, c, d, e, f, g, h, a, t + 7u);
    }
    const uint32_t v[8] = {a, b, c, d, e, f, g, h};
    for (uint32_t i = 0; i < 8; i++)
        state[i] += v[i];
}

void cv_sha256(const uint8_t *data, uint32_t n, uint8_t digest[CV_SHA256_BYTES])
{
    uint32_t h[8] = {0x6A09E667u, 0xBB67AE85u, 0x3C6EF372u, 0xA54FF53Au,
                     0x510E527Fu, 0x9B05688Cu, 0x1F83D9ABu, 0x5BE0CD19u};
    uint8_t tail[2 * BLOCK] = {0};
    uint32_t whole = n - n % BLOCK;
    uint32_t rest = n - whole;
    uint32_t padded = rest + 9u <= BLOCK ? BLOCK : 2u * BLOCK;
    for (uint32_t at = 0; at < whole; at += BLOCK)
        compress(h, data + at);
    if (rest > 0)
        memcpy(tail, data + whole, rest);
    tail[rest] = 0x80;
    store_be(tail + padded - 8, n >> 29);
    store_be(tail + padded - 4, n << 3);
    for (uint32_t at = 0; at < padded; at += BLOCK)
        compress(h, tail + at);
    for (uint32_t i = 0; i < 8; i++)
        store_be(digest + 4u * i, h[i]);
}
