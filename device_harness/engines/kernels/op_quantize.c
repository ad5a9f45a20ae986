/* QUANTIZE between int8, uint8, int16 and int32, and from float32.
 *
 * From int8 to one byte by a table; else element by element (rescale.h, float_quotient.h).
 * Source: TFLM quantize_common.cc, reference/requantize.h, reference/quantize.h.
 */
#include <string.h>

#include "channels.h"
#include "elements.h"
#include "fixedpoint.h"
#include "float_quotient.h"
#include "lookup.h"
#include "movement.h"
#include "operators.h"
#include "quantize.h"
#include "refuse.h"
#include "rescale.h"

/* The byte of a code, clamped to its type. */
static int8_t to_byte(int32_t y, bool is_unsigned)
{
    if (!is_unsigned)
        return k_clamp(y, INT8_MIN, INT8_MAX);
    int32_t code = k_clamp32(y, 0, UINT8_MAX);
    return (int8_t)(code > INT8_MAX ? code - 256 : code);
}

static enum cv_status check(struct k_load *l, uint32_t tensor)
{
    switch (l->graph->tensors[tensor].type) {
    case K_UINT8: return k_check_uint8(l, tensor);
    case K_INT32: return k_check_quantized32(l, tensor);
    case K_INT16: return k_check_quantized(l, tensor, true);
    default: return k_check_int8(l, tensor);
    }
}

/* The pairs that TFLM has. */
static bool go_together(uint8_t from, uint8_t to)
{
    switch (from) {
    case K_INT8: return to == K_INT8 || to == K_UINT8 || to == K_INT16 || to == K_INT32;
    case K_UINT8: return to == K_INT8;
    case K_INT16: return to == K_INT8 || to == K_INT16 || to == K_INT32;
    case K_INT32:
    case K_FLOAT32: return to == K_INT8 || to == K_INT16;
    default: return false;
    }
}

static bool is_table(const struct k_graph *g, const struct k_op *op)
{
    uint8_t to = g->tensors[op->output].type;
    return g->tensors[op->inputs[0]].type == K_INT8 && (to == K_INT8 || to == K_UINT8);
}

static enum cv_status prepare_table(struct k_load *l, struct k_op *op, int32_t multiplier, int32_t shift)
{
    struct k_lookup *table = NULL;
    bool is_unsigned = l->graph->tensors[op->output].type == K_UINT8;
    int32_t z_in = k_zero_point(l->graph, op->inputs[0]);
    int32_t z_out = k_zero_point(l->graph, op->output);
    enum cv_status status = k_lookup_prepare_any(l, op, &table);
    for (int32_t x = INT8_MIN; status == CV_OK && x <= INT8_MAX; x++) {
        int32_t scaled = 0;
        status = k_lookup_scaled(l, x - z_in, multiplier, shift, &scaled);
        table->values[x + 128] = to_byte(k_wrap_add(scaled, z_out), is_unsigned);
    }
    return status;
}

static enum cv_status prepare_float(struct k_load *l, const struct k_op *op)
{
    enum cv_status status = k_check_type(l, op->inputs[0], K_FLOAT32);
    if (status == CV_OK)
        status = k_check_same_shape(l, op->inputs[0], op->output);
    return status == CV_OK ? k_count_macs(l, l->graph->tensors[op->output].n_elements) : status;
}

enum cv_status k_quantize_prepare(struct k_load *l, struct k_op *op)
{
    const struct k_graph *g = l->graph;
    uint8_t from = g->tensors[op->inputs[0]].type;
    struct k_rescale *p = NULL;
    if (!go_together(from, g->tensors[op->output].type))
        return k_refuse(l, CV_UNSUPPORTED, "between these types");
    enum cv_status status = check(l, op->output);
    if (status != CV_OK || from == K_FLOAT32)
        return status == CV_OK ? prepare_float(l, op) : status;
    status = check(l, op->inputs[0]);
    if (status != CV_OK)
        return status;
    double ratio = (double)k_scale(g, op->inputs[0]) / (double)k_scale(g, op->output);
    struct k_rescale_side side = {0, 0, 1};
    status = k_quantize_multiplier(l, ratio, &side.multiplier, &side.shift);
    if (status != CV_OK)
        return status;
    if (is_table(g, op))
        return prepare_table(l, op, side.multiplier, side.shift);
    status = k_rescale_prepare(l, op, &p);
    if (status != CV_OK)
        return status;
    p->above = side;
    p->below = side;
    return from == K_INT8 ? k_rescale_check(l, p) : CV_OK;
}

static enum cv_status run_float(const struct k_graph *g, const struct k_op *op)
{
    const int8_t *x = k_read(g, op->inputs[0]);
    int8_t *y = k_write(g, op->output);
    bool is_wide = g->tensors[op->output].type == K_INT16;
    int32_t zero = k_zero_point(g, op->output);
    float scale = k_scale(g, op->output);
    uint32_t bits;
    memcpy(&bits, &scale, sizeof bits);
    for (uint32_t i = 0; i < g->tensors[op->output].n_elements; i++) {
        int32_t steps;
        if (!k_float_quotient(k_load_u32(x, i), bits, &steps))
            return CV_ENGINE;
        int32_t code = steps + zero; /* |steps| < 2^31 - 2^16, and |zero| <= 2^15 */
        if (is_wide)
            k_store_i16(y, i, k_clamp16(code));
        else
            y[i] = k_clamp(code, INT8_MIN, INT8_MAX);
    }
    return CV_OK;
}

enum cv_status k_quantize_run(const struct k_graph *g, const struct k_op *op)
{
    if (is_table(g, op))
        return k_lookup_run(g, op);
    return g->tensors[op->inputs[0]].type == K_FLOAT32 ? run_float(g, op) : k_rescale_run(g, op);
}
