/* A bounds-checked FlatBuffers reader: see flatbuffer.h. */
#include "flatbuffer.h"

#include <string.h>

#include "bytes.h"

static const struct fb_table no_table = {0, 0, 0, 0};
static const struct fb_vector no_vector = {0, 0};

/* The n bytes at `at` are in the file; sets bad if not. */
static bool has(struct fb_reader *fb, uint64_t at, uint64_t n)
{
    if (fb->bad || n > fb->size || at > fb->size - n)
        fb->bad = true;
    return !fb->bad;
}

static float as_f32(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

void fb_open(struct fb_reader *fb, const uint8_t *data, uint32_t size)
{
    fb->data = data;
    fb->size = size;
    fb->bad = false;
}

static struct fb_table table_at(struct fb_reader *fb, uint64_t at)
{
    struct fb_table t;
    if (at == 0)
        fb->bad = true;
    if (!has(fb, at, 4))
        return no_table;
    t.at = (uint32_t)at;
    int64_t vtable = (int64_t)at - cv_as_i32(cv_load_u32(fb->data + at));
    if (vtable < 0)
        fb->bad = true;
    if (fb->bad || !has(fb, (uint64_t)vtable, 4))
        return no_table;
    t.vtable = (uint32_t)vtable;
    t.vtable_size = cv_load_u16(fb->data + t.vtable);
    t.table_size = cv_load_u16(fb->data + t.vtable + 2);
    if (t.vtable_size < 4 || t.vtable_size % 2 != 0 || t.table_size < 4)
        fb->bad = true;
    if (!has(fb, t.vtable, t.vtable_size) || !has(fb, t.at, t.table_size))
        return no_table;
    return t;
}

struct fb_table fb_root(struct fb_reader *fb)
{
    if (!has(fb, 0, 8))
        return no_table;
    return table_at(fb, cv_load_u32(fb->data));
}

/* Where a field of `width` bytes stands; 0: absent. */
static uint32_t field_at(struct fb_reader *fb, struct fb_table t, uint32_t field, uint32_t width)
{
    uint32_t slot = 4u + 2u * field;
    if (fb->bad || t.at == 0 || slot + 2u > t.vtable_size)
        return 0;
    uint32_t offset = cv_load_u16(fb->data + t.vtable + slot);
    if (offset == 0)
        return 0;
    if (offset < 4 || offset + width > t.table_size) {
        fb->bad = true;
        return 0;
    }
    return t.at + offset;
}

uint8_t fb_u8(struct fb_reader *fb, struct fb_table t, uint32_t field, uint8_t otherwise)
{
    uint32_t at = field_at(fb, t, field, 1);
    return at == 0 ? otherwise : fb->data[at];
}

uint32_t fb_u32(struct fb_reader *fb, struct fb_table t, uint32_t field, uint32_t otherwise)
{
    uint32_t at = field_at(fb, t, field, 4);
    return at == 0 ? otherwise : cv_load_u32(fb->data + at);
}

int32_t fb_i32(struct fb_reader *fb, struct fb_table t, uint32_t field, int32_t otherwise)
{
    uint32_t at = field_at(fb, t, field, 4);
    return at == 0 ? otherwise : cv_as_i32(cv_load_u32(fb->data + at));
}

uint64_t fb_u64(struct fb_reader *fb, struct fb_table t, uint32_t field, uint64_t otherwise)
{
    uint32_t at = field_at(fb, t, field, 8);
    return at == 0 ? otherwise : cv_load_u64(fb->data + at);
}

float fb_f32(struct fb_reader *fb, struct fb_table t, uint32_t field, float otherwise)
{
    uint32_t at = field_at(fb, t, field, 4);
    return at == 0 ? otherwise : as_f32(cv_load_u32(fb->data + at));
}

/* Follows the offset that stands at `at`, which is in the file. */
static uint64_t follow(const struct fb_reader *fb, uint32_t at)
{
    return (uint64_t)at + cv_load_u32(fb->data + at);
}

struct fb_table fb_table(struct fb_reader *fb, struct fb_table t, uint32_t field)
{
    uint32_t at = field_at(fb, t, field, 4);
    return at == 0 ? no_table : table_at(fb, follow(fb, at));
}

struct fb_vector fb_vector(struct fb_reader *fb, struct fb_table t, uint32_t field, uint32_t width)
{
    uint32_t at = field_at(fb, t, field, 4);
    if (at == 0)
        return no_vector;
    uint64_t begin = follow(fb, at);
    if (!has(fb, begin, 4))
        return no_vector;
    uint32_t n = cv_load_u32(fb->data + begin);
    if (!has(fb, begin + 4, (uint64_t)n * width))
        return no_vector;
    struct fb_vector v = {(uint32_t)begin + 4, n};
    return v;
}

int32_t fb_vector_i32(const struct fb_reader *fb, struct fb_vector v, uint32_t i)
{
    return cv_as_i32(cv_load_u32(fb->data + v.at + 4u * i));
}

uint64_t fb_vector_u64(const struct fb_reader *fb, struct fb_vector v, uint32_t i)
{
    return cv_load_u64(fb->data + v.at + 8u * i);
}

float fb_vector_f32(const struct fb_reader *fb, struct fb_vector v, uint32_t i)
{
    return as_f32(cv_load_u32(fb->data + v.at + 4u * i));
}

struct fb_table fb_vector_table(struct fb_reader *fb, struct fb_vector v, uint32_t i)
{
    return fb->bad ? no_table : table_at(fb, follow(fb, v.at + 4u * i));
}
