/* QUANTIZE, int8 to int8 or uint8: from one scale and zero point to another.
 *
 * Source: TFLM quantize_common.cc, reference/requantize.h.
 */
#include "fixedpoint.h"
#include "lookup.h"
#include "operators.h"
#include "quantize.h"

/* The byte of a code, clamped to its type. */
static int8_t to_byte(int32_t y, bool is_unsigned)
{
    if (!is_unsigned)
        return k_clamp(y, INT8_MIN, INT8_MAX);
    int32_t code = y < 0 ? 0 : y > UINT8_MAX ? UINT8_MAX : y;
    return (int8_t)(code > INT8_MAX ? code - 256 : code);
}

enum cv_status k_quantize_prepare(struct k_load *l, struct k_op *op)
{
    struct k_lookup *table = NULL;
    bool is_unsigned = l->graph->tensors[op->output].type == K_UINT8;
    enum cv_status status = is_unsigned ? k_check_uint8(l, op->output) : k_check_int8(l, op->output);
    if (status == CV_OK)
        status = k_lookup_prepare_any(l, op, &table);
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
        table->values[x + 128] = to_byte(k_wrap_add(scaled, z_out), is_unsigned);
    }
    return status;
}
