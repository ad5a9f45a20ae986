/* SELECT_V2: where a BOOL holds, elements of one tensor, else of another, with broadcasting of all three; codes are taken
 * over as they are. Source: TFLM select.cc.
 */
#include <string.h>

#include "broadcast.h"
#include "channels.h"
#include "movement.h"
#include "operators.h"
#include "quantize.h"
#include "refuse.h"

struct plan {
    struct k_grid condition; /* stride[0] */
    struct k_grid chosen;    /* of both others */
    uint32_t width;
};

static enum cv_status check(struct k_load *l, const struct k_op *op)
{
    enum cv_status status = k_check_bool(l, op->inputs[0]);
    for (uint32_t i = 1; status == CV_OK && i < 3; i++)
        status = k_check_moved(l, op->inputs[i], op->output);
    if (status == CV_OK && l->graph->tensors[op->output].type == K_INT32)
        status = k_refuse_tensor(l, CV_UNSUPPORTED, op->output, "INT32");
    return status == CV_OK ? k_count_macs(l, l->graph->tensors[op->output].n_elements) : status;
}

enum cv_status k_select_v2_prepare(struct k_load *l, struct k_op *op)
{
    enum cv_status status = check(l, op);
    struct plan *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = p;
    p->width = k_movable_width(&l->graph->tensors[op->output]);
    return k_broadcast_three(l, op, &p->condition, &p->chosen);
}

enum cv_status k_select_v2_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *condition = k_read(g, op->inputs[0]);
    const int8_t *x = k_read(g, op->inputs[1]);
    const int8_t *otherwise = k_read(g, op->inputs[2]);
    int8_t *y = k_write(g, op->output);
    struct k_position where = {{0}, {0, 0}};
    struct k_position at = {{0}, {0, 0}};
    for (uint32_t i = 0; i < g->tensors[op->output].n_elements; i++, y += p->width) {
        bool first = condition[where.offset[0]] != 0;
        uint32_t offset = (uint32_t)at.offset[first ? 0 : 1];
        memcpy(y, (first ? x : otherwise) + offset * p->width, p->width);
        k_grid_advance(&p->condition, &where);
        k_grid_advance(&p->chosen, &at);
    }
    return CV_OK;
}
