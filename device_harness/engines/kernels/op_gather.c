/* GATHER at constant positions of one axis, the same ones for all, or others for each of the batch dimensions.
 *
 * Source: TFLM gather.cc.
 */
#include <string.h>

#include "channels.h"
#include "movement.h"
#include "operators.h"
#include "refuse.h"
#include "schema.h"

struct plan {
    uint32_t batches;
    uint32_t outer; /* of the input, in a batch, before the axis */
    uint32_t size;  /* of the axis */
    uint32_t picked;
    uint32_t inner; /* bytes behind the axis */
};

/* The input's dimensions before the axis, those of the positions in a batch, the input's behind it. */
static bool is_output(const struct k_tensor *in, const struct k_tensor *at, const struct k_tensor *out,
                      uint32_t axis, uint32_t batch)
{
    uint32_t n = at->rank - batch;
    bool fits = out->rank + 1u == in->rank + n;
    for (uint32_t i = 0; fits && i < out->rank; i++) {
        int32_t size = i < axis       ? in->dims[i]
                       : i < axis + n ? at->dims[batch + i - axis]
                                      : in->dims[i - n + 1u];
        fits = out->dims[i] == size;
    }
    return fits && memcmp(in->dims, at->dims, batch * sizeof in->dims[0]) == 0;
}

static enum cv_status check_positions(struct k_load *l, uint32_t tensor, int32_t size)
{
    uint32_t n = l->graph->tensors[tensor].n_elements;
    if (n == 0)
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "its shape is dynamic, empty or too large");
    enum cv_status status = k_check_integers(l, tensor, n);
    for (uint32_t i = 0; status == CV_OK && i < n; i++) {
        int32_t position = k_integer(l->graph, tensor, i);
        if (position < 0 || position >= size)
            status = k_refuse_number(l, CV_BAD_MODEL, "position", position);
    }
    return status;
}

enum cv_status k_gather_prepare(struct k_load *l, struct k_op *op)
{
    const struct k_tensor *in = &l->graph->tensors[op->inputs[0]];
    const struct k_tensor *at = &l->graph->tensors[op->inputs[1]];
    const struct k_tensor *out = &l->graph->tensors[op->output];
    int32_t batch = fb_i32(&l->graph->file, op->options, GATHER_BATCH, 0);
    uint32_t axis = 0;
    enum cv_status status = k_check_moved_of_few_types(l, op->inputs[0], op->output);
    if (status == CV_OK && op->options.at == 0)
        status = k_refuse(l, CV_BAD_MODEL, "no options");
    if (status == CV_OK)
        status = k_check_axis(l, fb_i32(&l->graph->file, op->options, GATHER_AXIS, 0), in->rank, &axis);
    if (status == CV_OK)
        status = check_positions(l, op->inputs[1], in->dims[axis]);
    if (status != CV_OK)
        return status;
    batch += batch < 0 ? (int32_t)at->rank : 0;
    if (batch < 0 || batch > (int32_t)axis || batch > (int32_t)at->rank)
        return k_refuse_number(l, CV_BAD_MODEL, "batch dimensions:", batch);
    if (!is_output(in, at, out, axis, (uint32_t)batch))
        return k_refuse(l, CV_BAD_MODEL, "the positions do not lead to the output's shape");
    struct plan *p = k_alloc(l, sizeof *p);
    op->plan = p;
    if (p == NULL)
        return CV_NO_ARENA;
    p->batches = k_elements(in, 0, (uint32_t)batch);
    p->outer = k_elements(in, (uint32_t)batch, axis);
    p->size = (uint32_t)in->dims[axis];
    p->picked = k_elements(at, (uint32_t)batch, at->rank);
    p->inner = k_elements(in, axis + 1u, in->rank) * k_movable_width(in);
    return k_count_macs(l, out->n_elements);
}

enum cv_status k_gather_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *from = k_read(g, op->inputs[0]);
    int8_t *to = k_write(g, op->output);
    for (uint32_t batch = 0; batch < p->batches; batch++)
        for (uint32_t i = 0; i < p->outer; i++, from += p->size * p->inner)
            for (uint32_t k = 0; k < p->picked; k++, to += p->inner) {
                int32_t position = k_integer(g, op->inputs[1], batch * p->picked + k);
                memcpy(to, from + (uint32_t)position * p->inner, p->inner);
            }
    return CV_OK;
}
