/* LEAKY_RELU, int8 by a table, int16 element by element: one multiplier for each side of the input's zero.
 *
 * Source: TFLM leaky_relu_common.cc, reference/leaky_relu.h (QuantizeLeakyRelu).
 */
#include "fixedpoint.h"
#include "lookup.h"
#include "operators.h"
#include "quantize.h"
#include "refuse.h"
#include "rescale.h"
#include "schema.h"

/* A slope of either sign, or 0. A negative one whose multiplier would be -1 is not what TFLM computes with. */
static enum cv_status prepare_side(struct k_load *l, double slope, struct k_rescale_side *side)
{
    double magnitude = slope < 0.0 ? -slope : slope;
    side->sign = slope < 0.0 ? -1 : 1;
    if (magnitude == 0.0)
        return CV_OK;
    if (slope < 0.0 && k_rounds_to_one(magnitude))
        return k_refuse(l, CV_UNSUPPORTED, "the slope makes a multiplier of -1");
    return k_quantize_multiplier(l, magnitude, &side->multiplier, &side->shift);
}

static enum cv_status prepare_wide(struct k_load *l, struct k_op *op, struct k_rescale **plan)
{
    enum cv_status status = k_check_activations(l, op->inputs[0], true);
    if (status == CV_OK)
        status = k_check_activations(l, op->output, true);
    return status == CV_OK ? k_rescale_prepare(l, op, plan) : status;
}

enum cv_status k_leaky_relu_prepare(struct k_load *l, struct k_op *op)
{
    struct k_lookup *table = NULL;
    bool is_wide = l->graph->tensors[op->output].type == K_INT16;
    struct k_rescale *wide = NULL;
    enum cv_status status = is_wide ? prepare_wide(l, op, &wide) : k_lookup_prepare(l, op, &table);
    if (status == CV_OK && op->options.at == 0)
        status = k_refuse(l, CV_BAD_MODEL, "no options");
    if (status != CV_OK)
        return status;
    double s_in = (double)k_scale(l->graph, op->inputs[0]);
    double s_out = (double)k_scale(l->graph, op->output);
    double alpha = (double)fb_f32(&l->graph->file, op->options, LEAKY_RELU_ALPHA, 0.0f);
    int32_t z_in = k_zero_point(l->graph, op->inputs[0]);
    int32_t z_out = k_zero_point(l->graph, op->output);
    struct k_rescale_side below = {0, 0, 1};
    struct k_rescale_side above = {0, 0, 1};
    status = prepare_side(l, s_in * alpha / s_out, &below);
    if (status == CV_OK)
        status = prepare_side(l, s_in / s_out, &above);
    if (status == CV_OK && is_wide) {
        wide->below = below;
        wide->above = above;
        return k_rescale_check(l, wide);
    }
    for (int32_t x = INT8_MIN; status == CV_OK && x <= INT8_MAX; x++) {
        const struct k_rescale_side *side = x < z_in ? &below : &above;
        int32_t scaled = 0;
        status = k_lookup_scaled(l, x - z_in, side->multiplier, side->shift, &scaled);
        table->values[x + 128] = k_clamp(k_wrap_add(side->sign * scaled, z_out), INT8_MIN, INT8_MAX);
    }
    return status;
}

enum cv_status k_leaky_relu_run(const struct k_graph *g, const struct k_op *op)
{
    return g->tensors[op->output].type == K_INT16 ? k_rescale_run(g, op) : k_lookup_run(g, op);
}
