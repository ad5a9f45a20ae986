/* What does each output channel of a dense or convolution layer need? Multiplier, shift and bias.
 *
 * Also the proof that no accumulator overflows: |w - z_w| summed over a channel, times the largest
 * |x - z_x|, plus |bias|, must fit int32; a model for which it does not is refused.
 */
#ifndef COVERIFY_CHANNELS_H
#define COVERIFY_CHANNELS_H

#include "quantize.h"

struct k_channel {
    int32_t multiplier;
    int32_t shift;
    int32_t bias;
};

/* One int8 filter read as n channels of `taps` weights each: weight (c, i) stands at
 * c * channel_stride + i * tap_stride. */
struct k_filter {
    const int8_t *weights;
    int32_t zero_point; /* subtracted from every weight; 0 where TFLM ignores it */
    uint32_t n;
    uint32_t taps;
    uint32_t channel_stride;
    uint32_t tap_stride;
};

/* Fills *channels (arena) for input tensor op->inputs[0], filter op->inputs[1], bias op->inputs[2] or K_NONE.
 * Needs k_check_int8 on input and output and k_check_filter passed. */
enum cv_status k_channels(struct k_load *l, const struct k_op *op, const struct k_filter *filter,
                          struct k_channel **channels);

/* Counts n more multiplications of an inference; refuses beyond K_MAX_MACS. */
enum cv_status k_count_macs(struct k_load *l, uint64_t n);

#endif
