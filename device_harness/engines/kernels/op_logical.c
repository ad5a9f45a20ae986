/* LOGICAL_AND, LOGICAL_OR and LOGICAL_NOT of BOOL, the former two with broadcasting. Source: TFLM logical_common.cc. */
#include "broadcast.h"
#include "channels.h"
#include "movement.h"
#include "operators.h"
#include "quantize.h"
#include "schema.h"

enum cv_status k_logical_prepare(struct k_load *l, struct k_op *op)
{
    enum cv_status status = k_check_bool(l, op->output);
    for (uint32_t i = 0; status == CV_OK && i < op->n_inputs; i++)
        status = k_check_bool(l, op->inputs[i]);
    struct k_grid *grid = status == CV_OK ? k_alloc(l, sizeof *grid) : NULL;
    if (grid == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = grid;
    return k_broadcast_grid(l, op, grid);
}

enum cv_status k_logical_run(const struct k_graph *g, const struct k_op *op)
{
    const struct k_grid *grid = op->plan;
    const int8_t *a = k_read(g, op->inputs[0]);
    const int8_t *b = k_read(g, op->inputs[1]);
    int8_t *y = k_write(g, op->output);
    bool all = op->kind->builtin == BUILTIN_LOGICAL_AND;
    struct k_position at = {{0}, {0, 0}};
    for (uint32_t i = 0; i < g->tensors[op->output].n_elements; i++, k_grid_advance(grid, &at)) {
        bool left = a[at.offset[0]] != 0;
        bool right = b[at.offset[1]] != 0;
        y[i] = all ? left && right : left || right;
    }
    return CV_OK;
}

enum cv_status k_logical_not_prepare(struct k_load *l, struct k_op *op)
{
    enum cv_status status = k_check_bool(l, op->output);
    if (status == CV_OK)
        status = k_check_bool(l, op->inputs[0]);
    if (status == CV_OK)
        status = k_check_same_shape(l, op->inputs[0], op->output);
    return status == CV_OK ? k_count_macs(l, l->graph->tensors[op->output].n_elements) : status;
}

enum cv_status k_logical_not_run(const struct k_graph *g, const struct k_op *op)
{
    const int8_t *x = k_read(g, op->inputs[0]);
    int8_t *y = k_write(g, op->output);
    for (uint32_t i = 0; i < g->tensors[op->output].n_elements; i++)
        y[i] = x[i] == 0;
    return CV_OK;
}
