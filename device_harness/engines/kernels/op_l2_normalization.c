/* L2_NORMALIZATION, int8, of rows along the last axis: 128 (x - z_x) / sqrt(sum (x - z_x)^2), whatever the output's scale.
 *
 * Source: TFLM l2norm.cc, reference/integer_ops/l2normalization.h.
 */
#include "channels.h"
#include "fixedpoint.h"
#include "inverse_sqrt.h"
#include "movement.h"
#include "operators.h"
#include "quantize.h"
#include "refuse.h"
#include "schema.h"

#define UNIT_BITS 7 /* of an output */

enum cv_status k_l2_normalization_prepare(struct k_load *l, struct k_op *op)
{
    const struct k_tensor *in = &l->graph->tensors[op->inputs[0]];
    enum cv_status status = k_check_int8(l, op->inputs[0]);
    if (status == CV_OK)
        status = k_check_int8(l, op->output);
    if (status == CV_OK)
        status = k_check_same_shape(l, op->inputs[0], op->output);
    if (status == CV_OK && (in->rank < 1 || in->rank > 4))
        status = k_refuse_number(l, CV_UNSUPPORTED, "dimensions:", in->rank);
    if (status == CV_OK && op->options.at == 0)
        status = k_refuse(l, CV_BAD_MODEL, "no options");
    if (status != CV_OK)
        return status;
    uint8_t activation = fb_u8(&l->graph->file, op->options, L2_ACTIVATION, 0);
    if (activation != ACTIVATION_NONE)
        return k_refuse_number(l, CV_UNSUPPORTED, "fused activation", activation);
    if (in->dims[in->rank - 1u] > INT32_MAX / (255 * 255))
        return k_refuse(l, CV_UNSUPPORTED, "a sum of squares that may overflow int32");
    return k_count_macs(l, 2u * (uint64_t)in->n_elements);
}

static int32_t sum_of_squares(const int8_t *x, int32_t n, int32_t z_in)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < n; i++)
        sum += (x[i] - z_in) * (x[i] - z_in);
    return sum;
}

enum cv_status k_l2_normalization_run(const struct k_graph *g, const struct k_op *op)
{
    const struct k_tensor *in = &g->tensors[op->inputs[0]];
    const int8_t *x = k_read(g, op->inputs[0]);
    int8_t *y = k_write(g, op->output);
    int32_t n = in->dims[in->rank - 1u];
    int32_t z_in = k_zero_point(g, op->inputs[0]);
    for (uint32_t row = 0; row < in->n_elements / (uint32_t)n; row++, x += n, y += n) {
        int32_t multiplier = 0;
        int32_t shift = 0;
        k_inverse_sqrt(sum_of_squares(x, n, z_in), &multiplier, &shift);
        for (int32_t i = 0; i < n; i++)
            y[i] = k_clamp(k_requantize(x[i] - z_in, multiplier, shift + UNIT_BITS), INT8_MIN, INT8_MAX);
    }
    return CV_OK;
}
