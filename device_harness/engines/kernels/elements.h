/* How are elements of more than one byte read and written? Little-endian, at any alignment: see bytes.h. */
#ifndef COVERIFY_ELEMENTS_H
#define COVERIFY_ELEMENTS_H

#include "bytes.h"

/* The two's complement reading of the low 16 bits. */
static inline int32_t k_wrap16(int32_t x)
{
    uint32_t low = (uint32_t)x & 0xFFFFu;
    return low <= 0x7FFFu ? (int32_t)low : (int32_t)low - 0x10000;
}

static inline const uint8_t *k_at(const int8_t *p, uint32_t i, uint32_t width)
{
    return (const uint8_t *)p + (uint64_t)i * width;
}

static inline int32_t k_load_i16(const int8_t *p, uint32_t i)
{
    return k_wrap16(cv_load_u16(k_at(p, i, 2)));
}

static inline uint32_t k_load_u32(const int8_t *p, uint32_t i)
{
    return cv_load_u32(k_at(p, i, 4));
}

static inline int32_t k_load_i32(const int8_t *p, uint32_t i)
{
    return cv_as_i32(k_load_u32(p, i));
}

static inline uint64_t k_load_u64(const int8_t *p, uint32_t i)
{
    return cv_load_u64(k_at(p, i, 8));
}

/* Stores the low 16 bits. */
static inline void k_store_i16(int8_t *p, uint32_t i, int32_t x)
{
    cv_store_u16((uint8_t *)p + (uint64_t)i * 2, (uint16_t)((uint32_t)x & 0xFFFFu));
}

static inline void k_store_u32(int8_t *p, uint32_t i, uint32_t x)
{
    cv_store_u32((uint8_t *)p + (uint64_t)i * 4, x);
}

static inline void k_store_u64(int8_t *p, uint32_t i, uint64_t x)
{
    cv_store_u64((uint8_t *)p + (uint64_t)i * 8, x);
}

#endif
