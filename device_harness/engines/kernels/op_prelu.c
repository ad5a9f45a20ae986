/* PRELU, int8, with a broadcast slope: one multiplier for x - z_x >= 0, one for (x - z_x)(alpha - z_alpha).
 *
 * Source: TFLM prelu_common.cc, reference/prelu.h (BroadcastPrelu4DSlow).
 */
#include "broadcast.h"
#include "fixedpoint.h"
#include "movement.h"
#include "operators.h"
#include "quantize.h"
#include "refuse.h"

/* 255 * 2^22 and 255 * 255 * 2^14 leave int32 room for the zero point. */
#define MAX_SHIFT_ABOVE 22
#define MAX_SHIFT_BELOW 14

struct side {
    int32_t multiplier;
    int32_t shift;
};

struct plan {
    struct k_grid grid;
    struct side above;
    struct side below;
    int32_t z_in;
    int32_t z_alpha;
    int32_t z_out;
};

static enum cv_status prepare_scales(struct k_load *l, const struct k_op *op, struct plan *p)
{
    const struct k_graph *g = l->graph;
    double s_in = (double)k_scale(g, op->inputs[0]);
    double s_alpha = (double)k_scale(g, op->inputs[1]);
    double s_out = (double)k_scale(g, op->output);
    enum cv_status status = k_quantize_multiplier(l, s_in / s_out, &p->above.multiplier, &p->above.shift);
    if (status == CV_OK)
        status = k_quantize_multiplier(l, s_in * s_alpha / s_out, &p->below.multiplier, &p->below.shift);
    if (status == CV_OK && (p->above.shift > MAX_SHIFT_ABOVE || p->below.shift > MAX_SHIFT_BELOW))
        status = k_refuse(l, CV_UNSUPPORTED, "the output's scale is too small beside the inputs'");
    p->z_in = k_zero_point(g, op->inputs[0]);
    p->z_alpha = k_zero_point(g, op->inputs[1]);
    p->z_out = k_zero_point(g, op->output);
    return status;
}

enum cv_status k_prelu_prepare(struct k_load *l, struct k_op *op)
{
    struct plan *p = k_alloc(l, sizeof *p);
    if (p == NULL)
        return CV_NO_ARENA;
    op->plan = p;
    enum cv_status status = k_broadcast_prepare(l, op, &p->grid);
    if (status == CV_OK)
        status = k_check_same_shape(l, op->inputs[0], op->output);
    return status == CV_OK ? prepare_scales(l, op, p) : status;
}

static int8_t prelu(const struct plan *p, int8_t x, int8_t alpha)
{
    int32_t value = x - p->z_in;
    int32_t scaled = value >= 0
                         ? k_requantize(value, p->above.multiplier, p->above.shift)
                         : k_requantize(value * (alpha - p->z_alpha), p->below.multiplier, p->below.shift);
    return k_clamp(scaled + p->z_out, INT8_MIN, INT8_MAX);
}

enum cv_status k_prelu_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *x = k_read(g, op->inputs[0]);
    const int8_t *alpha = k_read(g, op->inputs[1]);
    int8_t *y = k_write(g, op->output);
    struct k_position at = {{0}, {0, 0}};
    for (uint32_t i = 0; i < g->tensors[op->output].n_elements; i++, k_grid_advance(&p->grid, &at))
        y[i] = prelu(p, x[at.offset[0]], alpha[at.offset[1]]);
    return CV_OK;
}
