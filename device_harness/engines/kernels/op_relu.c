/* RELU as an operator of its own, int8: requantized, then not below the output's zero.
 *
 * Source: TFLM activations_common.cc (ReluQuantized).
 */
#include "fixedpoint.h"
#include "lookup.h"
#include "operators.h"
#include "quantize.h"

enum cv_status k_relu_prepare(struct k_load *l, struct k_op *op)
{
    struct k_lookup *table = NULL;
    enum cv_status status = k_lookup_prepare(l, op, &table);
    if (status != CV_OK)
        return status;
    int32_t z_in = k_zero_point(l->graph, op->inputs[0]);
    int32_t z_out = k_zero_point(l->graph, op->output);
    double ratio = (double)k_scale(l->graph, op->inputs[0]) / (double)k_scale(l->graph, op->output);
    int32_t multiplier = 0;
    int32_t shift = 0;
    status = k_quantize_multiplier(l, ratio, &multiplier, &shift);
    for (int32_t x = INT8_MIN; status == CV_OK && x <= INT8_MAX; x++) {
        int32_t scaled = 0;
        status = k_lookup_scaled(l, x - z_in, multiplier, shift, &scaled);
        table->values[x + 128] = k_clamp(k_wrap_add(scaled, z_out), z_out, INT8_MAX);
    }
    return status;
}
