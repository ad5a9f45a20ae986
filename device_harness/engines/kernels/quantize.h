/* From the scales in the file to integers: multipliers, shifts and activation limits. Load time only.
 *
 * The only place with floating point. float32 and double stand exactly where TFLM has them, because the last
 * bit of a multiplier depends on it.
 */
#ifndef COVERIFY_QUANTIZE_H
#define COVERIFY_QUANTIZE_H

#include "graph.h"

/* real = multiplier * 2^(shift - 31), nearest, half away from zero. Refuses what TFLM cannot do exactly as
 * defined: real not finite, not positive, or shift > 30. Below 2^-32 both become 0, as in TFLM.
 * Source: QuantizeMultiplier. */
enum cv_status k_quantize_multiplier(struct k_load *l, double real, int32_t *multiplier, int32_t *shift);

/* Whether the multiplier of a real > 0 is rounded up to 2^31, that is, to the next power of two. */
bool k_rounds_to_one(double real);

/* round(real / scale) + zero point in float32, halves away from zero, at most 2^30; needs 0 <= real <= 6.
 * Source: the Quantize lambda of CalculateActivationRangeQuantized. */
int32_t k_code_of(float real, float scale, int32_t zero_point);

struct k_limits {
    int32_t lo; /* within the output's type, lo <= hi */
    int32_t hi;
};

/* Limits of a fused activation on an int8 or int16 output. Needs k_check_quantized(output) passed.
 * Source: CalculateActivationRangeQuantized; the division is float32. */
enum cv_status k_activation_limits(struct k_load *l, uint8_t activation, uint32_t output,
                                   struct k_limits *limits);

/* The one scale and zero point of a tensor that k_check_int8 has passed. */
float k_scale(const struct k_graph *g, uint32_t tensor);
int32_t k_zero_point(const struct k_graph *g, uint32_t tensor);

/* Of that type and of known size. */
enum cv_status k_check_type(struct k_load *l, uint32_t tensor, enum k_type type);

/* BOOL of known size; a constant holds only 0 and 1. */
enum cv_status k_check_bool(struct k_load *l, uint32_t tensor);

/* Has it a scale and a zero point? */
bool k_is_quantized(const struct k_tensor *t);

/* INT8, of known size, and quantized per tensor with a finite positive scale and an int8 zero point. */
enum cv_status k_check_int8(struct k_load *l, uint32_t tensor);

/* Of known size, quantized per tensor with a finite positive scale; its type is INT8, or INT16 where `wide`, and
 * its zero point is of that type. */
enum cv_status k_check_quantized(struct k_load *l, uint32_t tensor, bool wide);

/* The same, and the zero point of an INT16 is 0, as TFLM's kernels of such activations demand it. */
enum cv_status k_check_activations(struct k_load *l, uint32_t tensor, bool wide);

/* INT32 with one scale, and a zero point of its type. */
enum cv_status k_check_quantized32(struct k_load *l, uint32_t tensor);

/* The same of UINT8. */
enum cv_status k_check_uint8(struct k_load *l, uint32_t tensor);

/* A constant INT8 filter of that rank with 1 scale, or n scales along `dimension`, n = its size there. */
enum cv_status k_check_filter(struct k_load *l, uint32_t tensor, uint32_t rank, uint32_t dimension);

#endif
