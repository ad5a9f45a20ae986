/* MAXIMUM and MINIMUM of int8 codes, with broadcasting. Source: TFLM maximum_minimum.cc. */
#include "broadcast.h"
#include "extreme.h"
#include "operators.h"

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
    return k_broadcast_prepare(l, op, &p->grid);
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
    struct k_position at = {{0}, {0, 0}};
    for (uint32_t i = 0; i < g->tensors[op->output].n_elements; i++, k_grid_advance(&p->grid, &at)) {
        int8_t left = a[at.offset[0]];
        int8_t right = b[at.offset[1]];
        y[i] = (left > right) == p->greatest ? left : right;
    }
    return CV_OK;
}
