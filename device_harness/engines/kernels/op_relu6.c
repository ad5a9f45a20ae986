/* RELU6 as an operator of its own, int8: codes clamped between the input's zero and six, not requantized.
 *
 * Whatever the output's quantization, as in TFLM. Source: TFLM activations_common.cc (Relu6Quantized).
 */
#include "fixedpoint.h"
#include "lookup.h"
#include "operators.h"
#include "quantize.h"

enum cv_status k_relu6_prepare(struct k_load *l, struct k_op *op)
{
    struct k_lookup *table = NULL;
    enum cv_status status = k_lookup_prepare(l, op, &table);
    if (status != CV_OK)
        return status;
    int32_t zero = k_zero_point(l->graph, op->inputs[0]);
    int32_t six = k_code_of(6.0f, k_scale(l->graph, op->inputs[0]), zero);
    for (int32_t x = INT8_MIN; x <= INT8_MAX; x++)
        table->values[x + 128] = k_clamp(x, zero, six < INT8_MAX ? six : INT8_MAX);
    return CV_OK;
}
