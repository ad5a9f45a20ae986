/* ARG_MAX and ARG_MIN, int8, over one constant axis: the position of the first largest or least element, as INT32.
 *
 * Source: TFLM arg_min_max.cc, reference/arg_min_max.h.
 */
#include "channels.h"
#include "elements.h"
#include "movement.h"
#include "operators.h"
#include "quantize.h"
#include "refuse.h"

struct plan {
    uint32_t outer;
    uint32_t n; /* elements on the axis */
    uint32_t inner;
    bool greatest;
};

static bool is_without(const struct k_tensor *in, const struct k_tensor *out, uint32_t axis)
{
    bool fits = out->rank + 1u == in->rank;
    for (uint32_t i = 0; fits && i < out->rank; i++)
        fits = out->dims[i] == in->dims[i < axis ? i : i + 1u];
    return fits;
}

static enum cv_status prepare(struct k_load *l, struct k_op *op, bool greatest)
{
    const struct k_graph *g = l->graph;
    const struct k_tensor *in = &g->tensors[op->inputs[0]];
    uint32_t axis = 0;
    enum cv_status status = k_check_type(l, op->inputs[0], K_INT8);
    if (status == CV_OK)
        status = k_check_type(l, op->output, K_INT32);
    if (status == CV_OK)
        status = k_check_integers(l, op->inputs[1], 1);
    if (status == CV_OK)
        status = k_check_axis(l, k_integer(g, op->inputs[1], 0), in->rank, &axis);
    if (status == CV_OK && !is_without(in, &g->tensors[op->output], axis))
        status = k_refuse(l, CV_BAD_MODEL, "the axis does not lead to the output's shape");
    if (status == CV_OK)
        status = k_count_macs(l, in->n_elements);
    struct plan *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = p;
    p->greatest = greatest;
    p->outer = k_elements(in, 0, axis);
    p->n = (uint32_t)in->dims[axis];
    p->inner = k_elements(in, axis + 1u, in->rank);
    return CV_OK;
}

enum cv_status k_arg_max_prepare(struct k_load *l, struct k_op *op)
{
    return prepare(l, op, true);
}

enum cv_status k_arg_min_prepare(struct k_load *l, struct k_op *op)
{
    return prepare(l, op, false);
}

static uint32_t first_extreme(const struct plan *p, const int8_t *x)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < p->n; i++) {
        int8_t so_far = x[best * p->inner];
        int8_t one = x[i * p->inner];
        if (p->greatest ? one > so_far : one < so_far)
            best = i;
    }
    return best;
}

enum cv_status k_arg_max_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *x = k_read(g, op->inputs[0]);
    int8_t *y = k_write(g, op->output);
    for (uint32_t i = 0; i < p->outer; i++, x += p->n * p->inner)
        for (uint32_t j = 0; j < p->inner; j++)
            k_store_u32(y, i * p->inner + j, first_extreme(p, x + j));
    return CV_OK;
}
