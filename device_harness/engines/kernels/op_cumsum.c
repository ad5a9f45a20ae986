/* CUMSUM, int8, along a constant axis: sums of the elements up to each one, from either end, with it or without it.
 * See units.h. */
#include "channels.h"
#include "movement.h"
#include "operators.h"
#include "quantize.h"
#include "refuse.h"
#include "schema.h"
#include "units.h"

struct plan {
    struct k_units units;
    uint32_t outer;
    uint32_t n;     /* elements on the axis */
    uint32_t inner; /* elements from one to the next on it */
    bool exclusive;
    bool reverse;
};

static enum cv_status check(struct k_load *l, const struct k_op *op, uint32_t *axis)
{
    enum cv_status status = k_check_int8(l, op->inputs[0]);
    if (status == CV_OK)
        status = k_check_int8(l, op->output);
    if (status == CV_OK)
        status = k_check_same_shape(l, op->inputs[0], op->output);
    if (status == CV_OK)
        status = k_check_integers(l, op->inputs[1], 1);
    if (status == CV_OK)
        status = k_check_axis(l, k_integer(l->graph, op->inputs[1], 0), l->graph->tensors[op->inputs[0]].rank,
                              axis);
    if (status == CV_OK && op->options.at == 0)
        status = k_refuse(l, CV_BAD_MODEL, "no options");
    return status == CV_OK ? k_count_macs(l, l->graph->tensors[op->output].n_elements) : status;
}

enum cv_status k_cumsum_prepare(struct k_load *l, struct k_op *op)
{
    const struct k_tensor *in = &l->graph->tensors[op->inputs[0]];
    uint32_t axis = 0;
    enum cv_status status = check(l, op, &axis);
    struct plan *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    op->plan = p;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    p->outer = k_elements(in, 0, axis);
    p->n = (uint32_t)in->dims[axis];
    p->inner = k_elements(in, axis + 1u, in->rank);
    p->exclusive = fb_u8(&l->graph->file, op->options, CUMSUM_EXCLUSIVE, 0) != 0;
    p->reverse = fb_u8(&l->graph->file, op->options, CUMSUM_REVERSE, 0) != 0;
    return k_units_prepare(l, op, &p->units);
}

/* One line of the axis; false: a sum leaves int32. */
static bool add_up(const struct plan *p, const int8_t *x, int8_t *y)
{
    int64_t total = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t at = (p->reverse ? p->n - 1u - i : i) * p->inner;
        int64_t before = total;
        total += x[at] - p->units.z_in;
        if (!k_units_output(&p->units, p->exclusive ? before : total, y + at))
            return false;
    }
    return true;
}

enum cv_status k_cumsum_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *x = k_read(g, op->inputs[0]);
    int8_t *y = k_write(g, op->output);
    for (uint32_t i = 0; i < p->outer; i++, x += p->n * p->inner, y += p->n * p->inner)
        for (uint32_t j = 0; j < p->inner; j++)
            if (!add_up(p, x + j, y + j))
                return CV_ENGINE;
    return CV_OK;
}
