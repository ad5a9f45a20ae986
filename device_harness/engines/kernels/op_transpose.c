/* TRANSPOSE by a constant order of the axes. Source: TFLM transpose_common.cc. */
#include "channels.h"
#include "movement.h"
#include "operators.h"
#include "refuse.h"

enum cv_status k_transpose_prepare(struct k_load *l, struct k_op *op)
{
    const struct k_tensor *in = &l->graph->tensors[op->inputs[0]];
    const struct k_tensor *out = &l->graph->tensors[op->output];
    int32_t from[K_MAX_RANK] = {0};
    uint32_t seen = 0;
    enum cv_status status = k_check_moved(l, op->inputs[0], op->output);
    if (status == CV_OK && (in->rank != out->rank || in->rank == 0))
        status = k_refuse(l, CV_BAD_MODEL, "input and output differ in rank, or have none");
    if (status == CV_OK)
        status = k_check_integers(l, op->inputs[1], in->rank);
    if (status == CV_OK)
        status = k_count_macs(l, out->n_elements);
    if (status != CV_OK)
        return status;
    struct k_copy *copy = k_alloc(l, sizeof *copy);
    if (copy == NULL)
        return CV_NO_ARENA;
    op->plan = copy;
    copy->width = k_movable_width(in);
    copy->grid.rank = in->rank;
    k_strides(in, from);
    k_strides(out, copy->grid.stride[1]);
    for (uint32_t i = 0; i < in->rank; i++) {
        int32_t axis = k_integer(l->graph, op->inputs[1], i);
        if (axis < 0 || axis >= in->rank || in->dims[axis] != out->dims[i])
            return k_refuse(l, CV_BAD_MODEL, "the order of the axes does not lead to the output's shape");
        copy->grid.dims[i] = (uint32_t)out->dims[i];
        copy->grid.stride[0][i] = from[axis];
        seen |= 1u << axis;
    }
    return seen == (1u << in->rank) - 1u ? CV_OK : k_refuse(l, CV_BAD_MODEL, "an axis twice");
}

enum cv_status k_transpose_run(const struct k_graph *g, const struct k_op *op)
{
    return k_copied_run(g, op);
}
