/* How are integers laid out on the wire and in a .tflite file? Little-endian, at any alignment.
 *
 * Loads and stores go byte by byte, so they are defined on every core whatever the address.
 * No bounds are checked here: the caller has made sure that the bytes exist.
 */
#ifndef COVERIFY_BYTES_H
#define COVERIFY_BYTES_H

#include <stdint.h>

static inline uint16_t cv_load_u16(const uint8_t *p)
{
    return (uint16_t)((uint32_t)p[0] | ((uint32_t)p[1] << 8));
}

static inline uint32_t cv_load_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | ((uint32_t)p[1] << 8) | ((uint32_t)p[2] << 16) | ((uint32_t)p[3] << 24);
}

static inline uint64_t cv_load_u64(const uint8_t *p)
{
    return (uint64_t)cv_load_u32(p) | ((uint64_t)cv_load_u32(p + 4) << 32);
}

static inline void cv_store_u16(uint8_t *p, uint16_t x)
{
    p[0] = (uint8_t)(x & 0xFFu);
    p[1] = (uint8_t)(x >> 8);
}

static inline void cv_store_u32(uint8_t *p, uint32_t x)
{
    cv_store_u16(p, (uint16_t)(x & 0xFFFFu));
    cv_store_u16(p + 2, (uint16_t)(x >> 16));
}

static inline void cv_store_u64(uint8_t *p, uint64_t x)
{
    cv_store_u32(p, (uint32_t)(x & 0xFFFFFFFFu));
    cv_store_u32(p + 4, (uint32_t)(x >> 32));
}

/* The two's complement reading of the same 32 bits, without implementation-defined conversion. */
static inline int32_t cv_as_i32(uint32_t x)
{
    return x <= 0x7FFFFFFFu ? (int32_t)x : (int32_t)(x - 0x80000000u) - 0x7FFFFFFF - 1;
}

#endif
