/* What are a custom operator's options? The vector at the root of a FlexBuffer that nobody has checked.
 *
 * TFLM reads an option by its position, whatever its type in the file; a map is a vector whose keys stand
 * elsewhere. Source: flexbuffers.h; FlexbufferWrapper, flatbuffer_utils.cc.
 */
#ifndef COVERIFY_FLEXBUFFER_H
#define COVERIFY_FLEXBUFFER_H

#include "graph.h"

struct k_options {
    const uint8_t *data;
    uint32_t size;
    uint32_t start; /* of the first element */
    uint32_t width; /* bytes of an element */
    uint64_t n;     /* elements, some of which may be outside */
    bool is_map;
};

/* Finds the elements in the operator's options; refuses bytes that are no vector and no map. */
enum cv_status k_options_open(struct k_load *l, const struct k_op *op, struct k_options *options);

/* The i-th element as TFLM's int32: sign-extended, its low 32 bits. Refuses one that is absent or outside lo..hi. */
enum cv_status k_option(struct k_load *l, const struct k_options *options, uint32_t i, int32_t lo, int32_t hi,
                        int32_t *value);

/* Whether the i-th element has a bit set. Refuses one that is absent. */
enum cv_status k_option_bool(struct k_load *l, const struct k_options *options, uint32_t i, bool *value);

/* Whether the i-th element of a map has this key. */
bool k_option_is_named(const struct k_options *options, uint32_t i, const char *key);

#endif
