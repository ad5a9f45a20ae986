/* EQUAL, NOT_EQUAL, GREATER, GREATER_EQUAL, LESS, LESS_EQUAL of INT8 or INT32, with broadcasting, as BOOL.
 *
 * INT8 is rescaled first, by multipliers that keep only the highest bits: two codes may compare equal although the
 * numbers that they stand for differ. Source: TFLM comparisons.cc, reference/comparisons.h.
 */
#include "broadcast.h"
#include "elements.h"
#include "fixedpoint.h"
#include "operators.h"
#include "quantize.h"
#include "refuse.h"
#include "schema.h"

#define LEFT_SHIFT 8

struct operand {
    int32_t zero_point;
    int32_t multiplier;
    int32_t shift;
};

struct plan {
    struct k_grid grid;
    bool is_wide; /* INT32, which stands for itself */
    struct operand a;
    struct operand b;
};

static enum cv_status prepare_operand(struct k_load *l, uint32_t tensor, struct operand *o)
{
    float scale = k_scale(l->graph, tensor);
    o->zero_point = k_zero_point(l->graph, tensor);
    enum cv_status status = k_quantize_multiplier(l, (double)scale, &o->multiplier, &o->shift);
    if (status == CV_OK && (scale >= 1.0f))
        status = k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "its scale is not below one");
    return status;
}

enum cv_status k_comparison_prepare(struct k_load *l, struct k_op *op)
{
    const struct k_graph *g = l->graph;
    bool is_wide = g->tensors[op->inputs[0]].type == K_INT32;
    enum cv_status status = k_check_bool(l, op->output);
    for (uint32_t i = 0; status == CV_OK && i < 2; i++)
        status = is_wide ? k_check_type(l, op->inputs[i], K_INT32) : k_check_int8(l, op->inputs[i]);
    struct plan *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = p;
    p->is_wide = is_wide;
    status = k_broadcast_grid(l, op, &p->grid);
    if (status == CV_OK && !is_wide)
        status = prepare_operand(l, op->inputs[0], &p->a);
    if (status == CV_OK && !is_wide)
        status = prepare_operand(l, op->inputs[1], &p->b);
    return status;
}

static int32_t value(const struct plan *p, const struct operand *o, const int8_t *x, int32_t i)
{
    if (p->is_wide)
        return k_load_i32(x, (uint32_t)i);
    return k_requantize((x[i] - o->zero_point) * (1 << LEFT_SHIFT), o->multiplier, o->shift);
}

static bool holds(uint32_t builtin, int32_t a, int32_t b)
{
    switch (builtin) {
    case BUILTIN_EQUAL: return a == b;
    case BUILTIN_NOT_EQUAL: return a != b;
    case BUILTIN_GREATER: return a > b;
    case BUILTIN_GREATER_EQUAL: return a >= b;
    case BUILTIN_LESS: return a < b;
    default: return a <= b;
    }
}

enum cv_status k_comparison_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *a = k_read(g, op->inputs[0]);
    const int8_t *b = k_read(g, op->inputs[1]);
    int8_t *y = k_write(g, op->output);
    struct k_position at = {{0}, {0, 0}};
    for (uint32_t i = 0; i < g->tensors[op->output].n_elements; i++, k_grid_advance(&p->grid, &at))
        y[i] = holds(op->kind->builtin, value(p, &p->a, a, at.offset[0]), value(p, &p->b, b, at.offset[1]));
    return CV_OK;
}
