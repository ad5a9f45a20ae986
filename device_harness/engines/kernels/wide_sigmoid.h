/* The sigmoid and tanh of an int16: what are they in Q0.15? A table of 256 sigmoids, linear in between.
 *
 * a is the argument in steps of 1 / (3 * 2^12): three times a number in Q3.12.
 * Source: TFLM reference/integer_ops/logistic.h and tanh.h (int16), common.h (sigmoid_table_uint16).
 */
#ifndef COVERIFY_WIDE_SIGMOID_H
#define COVERIFY_WIDE_SIGMOID_H

#include <stdint.h>

/* 0 ... 2^15 - 1; needs a > INT32_MIN */
int32_t k_wide_logistic(int32_t a);

/* -2^15 ... 2^15 - 1; likewise */
int32_t k_wide_tanh(int32_t a);

#endif
