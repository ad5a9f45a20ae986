/* How does a filter window slide over an image? Strides, dilations, padding and the output's size.
 *
 * Source: tensorflow/lite/kernels/padding.h. SAME: out = ceil(in / stride), total padding =
 * max(0, (out - 1) * stride + effective filter - in), half of it (rounded down) before.
 * VALID: out = (in + stride - effective filter) / stride, no padding.
 */
#ifndef COVERIFY_WINDOW_H
#define COVERIFY_WINDOW_H

#include "graph.h"

/* One axis of a window. */
struct k_axis {
    int32_t in;
    int32_t out;
    int32_t filter;
    int32_t stride;
    int32_t dilation;
    int32_t before; /* padding */
};

/* Completes `before`; needs in, out, filter > 0. Refuses when stride or dilation are not positive or `out`
 * is not what the padding gives. After it |out * stride| + |filter * dilation| < 2^30, so that positions
 * fit int32. */
enum cv_status k_axis_prepare(struct k_load *l, uint8_t padding, struct k_axis *axis);

/* Checks rank 4 and equal batch of two tensors that k_check_activations has passed. */
enum cv_status k_check_images(struct k_load *l, uint32_t input, uint32_t output);

/* Where tap `tap` of output position `at` reads: below 0 or >= in: outside the image. */
static inline int32_t k_axis_position(const struct k_axis *axis, int32_t at, int32_t tap)
{
    return at * axis->stride - axis->before + tap * axis->dilation;
}

#endif
