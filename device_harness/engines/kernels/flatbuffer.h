/* What stands in a FlatBuffers file that nobody has checked? Every read is bounded; errors are sticky.
 *
 * A reader never touches a byte outside the file. The first impossible offset, vtable or length sets `bad`;
 * from then on every read gives 0 and every vector is empty, so loops end and one check at the end is
 * enough. An absent field is not an error: it reads as its default.
 * Format: FlatBuffers internals, "Format details"; all integers little-endian.
 */
#ifndef COVERIFY_FLATBUFFER_H
#define COVERIFY_FLATBUFFER_H

#include <stdbool.h>
#include <stdint.h>

struct fb_reader {
    const uint8_t *data;
    uint32_t size; /* < 2^31 */
    bool bad;
};

/* A table: at = 0 means absent (no table can stand at offset 0: the root offset does). */
struct fb_table {
    uint32_t at;
    uint32_t vtable;
    uint32_t vtable_size; /* bytes */
    uint32_t table_size;  /* bytes */
};

/* A vector of n elements, the first at offset `at`; all within the file. at = 0: absent. */
struct fb_vector {
    uint32_t at;
    uint32_t n;
};

/* Needs size < 2^31. */
void fb_open(struct fb_reader *fb, const uint8_t *data, uint32_t size);
struct fb_table fb_root(struct fb_reader *fb);

uint8_t fb_u8(struct fb_reader *fb, struct fb_table t, uint32_t field, uint8_t otherwise);
uint32_t fb_u32(struct fb_reader *fb, struct fb_table t, uint32_t field, uint32_t otherwise);
int32_t fb_i32(struct fb_reader *fb, struct fb_table t, uint32_t field, int32_t otherwise);
uint64_t fb_u64(struct fb_reader *fb, struct fb_table t, uint32_t field, uint64_t otherwise);
float fb_f32(struct fb_reader *fb, struct fb_table t, uint32_t field, float otherwise);
struct fb_table fb_table(struct fb_reader *fb, struct fb_table t, uint32_t field);

/* A vector (or string) field whose elements take `width` bytes each. */
struct fb_vector fb_vector(struct fb_reader *fb, struct fb_table t, uint32_t field, uint32_t width);

/* Elements; need i < v.n and the width that the vector was opened with. */
int32_t fb_vector_i32(const struct fb_reader *fb, struct fb_vector v, uint32_t i);
uint64_t fb_vector_u64(const struct fb_reader *fb, struct fb_vector v, uint32_t i);
float fb_vector_f32(const struct fb_reader *fb, struct fb_vector v, uint32_t i);
struct fb_table fb_vector_table(struct fb_reader *fb, struct fb_vector v, uint32_t i);

#endif
