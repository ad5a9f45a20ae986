/* What does each output channel of a convolution of int16 need? A multiplier of 16 bits, a shift and a bias of 64.
 *
 * TFLM adds int16 inputs up in 64 bits and multiplies with the upper half of the multiplier, halves up.
 * Also the proof that no accumulator leaves the 48 bits that this takes; a model for which it could is refused.
 * Source: MultiplyByQuantizedMultiplier(int64_t, ...), TFLM common.cc.
 */
#ifndef COVERIFY_WIDE_CHANNELS_H
#define COVERIFY_WIDE_CHANNELS_H

#include "channels.h"

struct k_wide_channel {
    int32_t multiplier; /* below 2^15 */
    int32_t shift;      /* -31 ... 7 */
    int64_t bias;
};

/* As k_channels. The bias is INT64, or INT16 where `narrow`. Needs k_check_activations of input and output and
 * k_check_filter passed. */
enum cv_status k_wide_channels(struct k_load *l, const struct k_op *op, const struct k_filter *filter,
                               bool narrow, struct k_wide_channel **channels);

/* The output of an accumulator without its bias, within the limits. False: it leaves int32 before it is clamped. */
bool k_wide_output(const struct k_wide_channel *channel, int64_t acc, const struct k_limits *limits,
                   int32_t *y);

#endif
