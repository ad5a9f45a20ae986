/* BROADCAST_TO a constant shape: sizes of 1 are repeated, and the whole for further dimensions in front.
 *
 * Source: TFLM broadcast_to.cc, reference/broadcast_to.h.
 */
#include "broadcast.h"
#include "channels.h"
#include "movement.h"
#include "operators.h"
#include "refuse.h"

#define MAX_RANK 5u

static enum cv_status check(struct k_load *l, const struct k_op *op)
{
    const struct k_graph *g = l->graph;
    const struct k_tensor *in = &g->tensors[op->inputs[0]];
    const struct k_tensor *out = &g->tensors[op->output];
    enum cv_status status = k_check_moved(l, op->inputs[0], op->output);
    if (status == CV_OK && (out->rank == 0 || out->rank > MAX_RANK))
        status = k_refuse_number(l, CV_UNSUPPORTED, "dimensions:", out->rank);
    if (status == CV_OK)
        status = k_check_integers_or_wide(l, op->inputs[1], out->rank);
    if (status == CV_OK && (g->tensors[op->inputs[1]].rank != 1 || in->rank > out->rank))
        status = k_refuse(l, CV_BAD_MODEL, "the shape is no list, or has too few dimensions");
    for (uint32_t i = 0; status == CV_OK && i < out->rank; i++)
        if (k_integer(g, op->inputs[1], i) != out->dims[i])
            status = k_refuse(l, CV_BAD_MODEL, "the shape is not the output's");
    return status == CV_OK ? k_count_macs(l, out->n_elements) : status;
}

enum cv_status k_broadcast_to_prepare(struct k_load *l, struct k_op *op)
{
    const struct k_tensor *in = &l->graph->tensors[op->inputs[0]];
    const struct k_tensor *out = &l->graph->tensors[op->output];
    enum cv_status status = check(l, op);
    struct k_copy *copy = status == CV_OK ? k_alloc(l, sizeof *copy) : NULL;
    if (copy == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = copy;
    copy->width = k_movable_width(in);
    copy->grid.rank = out->rank;
    k_broadcast_strides(in, out->rank, copy->grid.stride[0]);
    k_strides(out, copy->grid.stride[1]);
    for (uint32_t i = 0; i < out->rank; i++) {
        int32_t size = k_size_from_right(in, out->rank - 1u - i);
        if (size != 1 && size != out->dims[i])
            return k_refuse(l, CV_BAD_MODEL, "the input's shape does not go together with the output's");
        copy->grid.dims[i] = (uint32_t)out->dims[i];
    }
    return CV_OK;
}
