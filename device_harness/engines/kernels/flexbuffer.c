/* Options of custom operators: see flexbuffer.h. */
#include "flexbuffer.h"

#include <string.h>

#include "bytes.h"
#include "refuse.h"

#define MAX_BYTES 4095u
#define TYPE_MAP 9u
#define TYPE_VECTOR 10u

static bool is_width(uint64_t width)
{
    return width == 1 || width == 2 || width == 4 || width == 8;
}

/* Whether `width` bytes at `at` are inside. */
static bool has(const struct k_options *o, uint64_t at, uint64_t width)
{
    return width <= o->size && at <= o->size - width;
}

/* Needs the bytes to be inside. */
static uint64_t load(const struct k_options *o, uint64_t at, uint64_t width)
{
    uint64_t x = 0;
    for (uint64_t i = 0; i < width; i++)
        x |= (uint64_t)o->data[at + i] << (8u * i);
    return x;
}

/* Where the backward offset of `width` bytes at `at` leads; false: outside. */
static bool follow(const struct k_options *o, uint64_t at, uint64_t width, uint64_t *to)
{
    if (!has(o, at, width) || load(o, at, width) > at)
        return false;
    *to = at - load(o, at, width);
    return true;
}

static bool find(struct k_options *o)
{
    uint32_t kind = o->size >= 3 ? o->data[o->size - 2u] : 0;
    uint64_t root_width = o->size >= 3 ? o->data[o->size - 1u] : 0;
    uint64_t start = 0;
    if (o->size > MAX_BYTES || !is_width(root_width) || o->size < 2u + root_width ||
        (kind >> 2 != TYPE_MAP && kind >> 2 != TYPE_VECTOR))
        return false;
    o->is_map = kind >> 2 == TYPE_MAP;
    o->width = 1u << (kind & 3u);
    if (!follow(o, o->size - 2u - root_width, root_width, &start) || start < o->width)
        return false;
    o->start = (uint32_t)start;
    o->n = load(o, start - o->width, o->width);
    return true;
}

enum cv_status k_options_open(struct k_load *l, const struct k_op *op, struct k_options *options)
{
    memset(options, 0, sizeof *options);
    options->data = l->graph->file.data + op->custom.at;
    options->size = op->custom.n;
    return find(options) ? CV_OK : k_refuse(l, CV_UNSUPPORTED, "its options are not a FlexBuffer");
}

static enum cv_status find_element(struct k_load *l, const struct k_options *options, uint32_t i,
                                   uint64_t *bits)
{
    uint64_t at = options->start + (uint64_t)i * options->width;
    if (i >= options->n || !has(options, at, options->width))
        return k_refuse_number(l, CV_UNSUPPORTED, "its options lack number", i);
    *bits = load(options, at, options->width);
    return CV_OK;
}

enum cv_status k_option_bool(struct k_load *l, const struct k_options *options, uint32_t i, bool *value)
{
    uint64_t bits = 0;
    enum cv_status status = find_element(l, options, i, &bits);
    *value = bits != 0;
    return status;
}

enum cv_status k_option(struct k_load *l, const struct k_options *options, uint32_t i, int32_t lo, int32_t hi,
                        int32_t *value)
{
    uint64_t element = 0;
    enum cv_status status = find_element(l, options, i, &element);
    if (status != CV_OK)
        return status;
    uint32_t bits = (uint32_t)(element & 0xFFFFFFFFu);
    uint32_t sign = options->width == 1 ? 0x80u : options->width == 2 ? 0x8000u : 0x80000000u;
    *value = cv_as_i32((bits ^ sign) - sign);
    if (*value < lo || *value > hi) {
        (void)k_refuse_number(l, CV_UNSUPPORTED, "option", i);
        cv_message_text(&l->why->message, " is ");
        cv_message_i64(&l->why->message, *value);
        return CV_UNSUPPORTED;
    }
    return CV_OK;
}

bool k_option_is_named(const struct k_options *options, uint32_t i, const char *key)
{
    uint64_t head = 3u * (uint64_t)options->width;
    uint64_t keys = 0;
    uint64_t at = 0;
    if (!options->is_map || i >= options->n || options->start < head)
        return false;
    uint64_t width = load(options, options->start - head + options->width, options->width);
    if (!is_width(width) || !follow(options, options->start - head, options->width, &keys) ||
        !follow(options, keys + i * width, width, &at))
        return false;
    size_t n = strlen(key) + 1u;
    return has(options, at, n) && memcmp(options->data + at, key, n) == 0;
}
