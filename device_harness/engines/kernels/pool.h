/* What do the two pooling operators share? Options, shapes and the part of a window inside the image. */
#ifndef COVERIFY_POOL_H
#define COVERIFY_POOL_H

#include "quantize.h"
#include "window.h"

struct k_pool {
    struct k_axis y;
    struct k_axis x;
    int32_t batches;
    int32_t depth;
    struct k_limits limits;
};

/* Fills op->plan with a struct k_pool. */
enum cv_status k_pool_prepare(struct k_load *l, struct k_op *op);

/* First and one past the last image position that the window of output position `at` covers. */
static inline int32_t k_pool_begin(const struct k_axis *axis, int32_t at)
{
    int32_t origin = k_axis_position(axis, at, 0);
    return origin > 0 ? origin : 0;
}

static inline int32_t k_pool_end(const struct k_axis *axis, int32_t at)
{
    int32_t end = k_axis_position(axis, at, axis->filter);
    return end < axis->in ? end : axis->in;
}

#endif
