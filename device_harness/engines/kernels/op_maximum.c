/* MAXIMUM and MINIMUM of int8 codes or int32, with broadcasting. Source: TFLM maximum_minimum.cc. */
#include "broadcast.h"
#include "elements.h"
#include "extreme.h"
#include "integers.h"
#include "operators.h"
#include "quantize.h"

struct plan {
    struct k_grid grid;
    bool greatest;
};

static enum cv_status prepare(struct k_load *l, struct k_op *op, bool greatest)
{
    struct plan *p = k_alloc(l, sizeof *p);
    if (p == NULL)
        return CV_NO_ARENA;
    op->plan = p;
    p->greatest = greatest;
    if (!k_writes_integers(l->graph, op))
        return k_broadcast_prepare(l, op, &p->grid);
    enum cv_status status = k_check_type(l, op->output, K_INT32);
    for (uint32_t i = 0; status == CV_OK && i < 2; i++)
        status = k_check_type(l, op->inputs[i], K_INT32);
    return status == CV_OK ? k_broadcast_grid(l, op, &p->grid) : status;
}

enum cv_status k_maximum_prepare(struct k_load *l, struct k_op *op)
{
    return prepare(l, op, true);
}

enum cv_status k_minimum_prepare(struct k_load *l, struct k_op *op)
{
    return prepare(l, op, false);
}

enum cv_status k_extreme_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *a = k_read(g, op->inputs[0]);
    const int8_t *b = k_read(g, op->inputs[1]);
    int8_t *y = k_write(g, op->output);
    bool wide = k_writes_integers(g, op);
    struct k_position at = {{0}, {0, 0}};
    for (uint32_t i = 0; i < g->tensors[op->output].n_elements; i++, k_grid_advance(&p->grid, &at)) {
        int32_t left = wide ? k_load_i32(a, (uint32_t)at.offset[0]) : a[at.offset[0]];
        int32_t right = wide ? k_load_i32(b, (uint32_t)at.offset[1]) : b[at.offset[1]];
        int32_t one = (left > right) == p->greatest ? left : right;
        if (wide)
            k_store_u32(y, i, (uint32_t)one);
        else
            y[i] = (int8_t)one;
    }
    return CV_OK;
}
