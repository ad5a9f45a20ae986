/* What do CONV_2D and DEPTHWISE_CONV_2D share? Checks, axes, channels and the way from a sum to an int8 or int16.
 *
 * y = requantize(sum w (x - z_x) + bias) + z_y over the taps in the image; the operators differ in where a
 * weight stands and in which input channels an output channel sees. The filter's zero point is ignored, as in
 * TFLM; taps outside the image are left out. Images of int16 have sums of 64 bits (wide_channels.h).
 */
#ifndef COVERIFY_CONVOLUTION_H
#define COVERIFY_CONVOLUTION_H

#include "channels.h"
#include "quantize.h"
#include "wide_channels.h"
#include "window.h"

struct k_convolution {
    const int8_t *weights;
    struct k_channel *channels;  /* of int8 */
    struct k_wide_channel *wide; /* of int16; NULL: int8 */
    int32_t channel_stride;      /* of the weights */
    int32_t tap_stride;
    struct k_axis y;
    struct k_axis x;
    int32_t batches;
    int32_t in_depth;
    int32_t out_depth;
    int32_t group_depth;       /* input channels that an output channel sees; 1 for depthwise */
    int32_t filters_per_group; /* output channels that see the same input channels */
    int32_t z_in;
    int32_t z_out;
    struct k_limits limits;
};

/* Where the operator's options and weights stand. */
struct k_convolution_layout {
    uint32_t stride_h, stride_w, dilation_h, dilation_w, padding, activation; /* fields of the options */
    uint32_t channel_dimension;                                               /* of the filter: 0 or 3 */
};

/* Checks the operator and fills everything but group_depth and filters_per_group; op->plan points to it. */
enum cv_status k_convolution_prepare(struct k_load *l, struct k_op *op,
                                     const struct k_convolution_layout *layout, struct k_convolution **plan);

/* One output value of int8 before bias and requantization; `image` is one of the batch. */
typedef int32_t k_accumulate(const struct k_convolution *p, const int8_t *image, int32_t at_y, int32_t at_x,
                             int32_t channel);

enum cv_status k_convolution_run(const struct k_graph *g, const struct k_op *op, k_accumulate *accumulate);

#endif
