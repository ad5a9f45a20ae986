/* MUL with broadcasting: int8, y = requantize((a - z_a)(b - z_b)) + z_y; or int32 (integers.h).
 *
 * Source: TFLM mul_common.cc, reference/integer_ops/mul.h.
 */
#include "broadcast.h"
#include "fixedpoint.h"
#include "integers.h"
#include "operators.h"
#include "quantize.h"
#include "refuse.h"
#include "schema.h"

#define MAX_SHIFT 15 /* 255 * 255 * 2^15 < 2^31 */

struct plan {
    struct k_grid grid;
    int32_t z_a;
    int32_t z_b;
    int32_t z_out;
    int32_t multiplier;
    int32_t shift;
    struct k_limits limits;
};

static enum cv_status prepare_scales(struct k_load *l, const struct k_op *op, struct plan *p)
{
    const struct k_graph *g = l->graph;
    double product = (double)k_scale(g, op->inputs[0]) * (double)k_scale(g, op->inputs[1]);
    enum cv_status status =
        k_quantize_multiplier(l, product / (double)k_scale(g, op->output), &p->multiplier, &p->shift);
    if (status == CV_OK && p->shift > MAX_SHIFT)
        status = k_refuse(l, CV_UNSUPPORTED, "the output's scale is too small beside the inputs'");
    p->z_a = k_zero_point(g, op->inputs[0]);
    p->z_b = k_zero_point(g, op->inputs[1]);
    p->z_out = k_zero_point(g, op->output);
    return status;
}

enum cv_status k_mul_prepare(struct k_load *l, struct k_op *op)
{
    if (k_writes_integers(l->graph, op))
        return k_integers_prepare(l, op, K_PRODUCT, MUL_ACTIVATION);
    struct plan *p = k_alloc(l, sizeof *p);
    if (p == NULL)
        return CV_NO_ARENA;
    op->plan = p;
    enum cv_status status = k_broadcast_prepare(l, op, &p->grid);
    if (status == CV_OK)
        status = prepare_scales(l, op, p);
    if (status == CV_OK)
        status = k_activation_limits(l, fb_u8(&l->graph->file, op->options, MUL_ACTIVATION, 0), op->output,
                                     &p->limits);
    return status;
}

enum cv_status k_mul_run(const struct k_graph *g, const struct k_op *op)
{
    if (k_writes_integers(g, op))
        return k_integers_run(g, op);
    const struct plan *p = op->plan;
    const int8_t *a = k_read(g, op->inputs[0]);
    const int8_t *b = k_read(g, op->inputs[1]);
    int8_t *y = k_write(g, op->output);
    struct k_position at = {{0}, {0, 0}};
    for (uint32_t i = 0; i < g->tensors[op->output].n_elements; i++, k_grid_advance(&p->grid, &at)) {
        int32_t product = (a[at.offset[0]] - p->z_a) * (b[at.offset[1]] - p->z_b);
        int32_t scaled = k_wrap_add(k_requantize(product, p->multiplier, p->shift), p->z_out);
        y[i] = k_clamp(scaled, p->limits.lo, p->limits.hi);
    }
    return CV_OK;
}
