/* SLICE by constant begins and sizes; a size of -1 goes to the end. Source: TFLM slice.cc. */
#include "channels.h"
#include "movement.h"
#include "operators.h"
#include "refuse.h"

enum cv_status k_slice_prepare(struct k_load *l, struct k_op *op)
{
    const struct k_tensor *in = &l->graph->tensors[op->inputs[0]];
    const struct k_tensor *out = &l->graph->tensors[op->output];
    enum cv_status status = k_check_moved(l, op->inputs[0], op->output);
    if (status == CV_OK && (in->rank != out->rank || in->rank == 0))
        status = k_refuse(l, CV_BAD_MODEL, "input and output differ in rank, or have none");
    for (uint32_t i = 1; status == CV_OK && i < 3; i++)
        status = k_check_integers_or_wide(l, op->inputs[i], in->rank);
    if (status == CV_OK && l->graph->tensors[op->inputs[1]].type != l->graph->tensors[op->inputs[2]].type)
        status = k_refuse(l, CV_UNSUPPORTED, "begins and sizes differ in type");
    if (status == CV_OK)
        status = k_count_macs(l, out->n_elements);
    struct k_copy *copy = status == CV_OK ? k_alloc(l, sizeof *copy) : NULL;
    if (copy == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = copy;
    copy->width = k_movable_width(in);
    copy->grid.rank = in->rank;
    k_strides(in, copy->grid.stride[0]);
    k_strides(out, copy->grid.stride[1]);
    for (uint32_t i = 0; i < in->rank; i++) {
        int64_t begin = k_integer(l->graph, op->inputs[1], i);
        int64_t size = k_integer(l->graph, op->inputs[2], i);
        size = size == -1 ? in->dims[i] - begin : size;
        if (begin < 0 || size != out->dims[i] || begin + size > in->dims[i])
            return k_refuse(l, CV_BAD_MODEL, "the slice leaves the input, or is not the output's shape");
        copy->grid.dims[i] = (uint32_t)size;
        copy->start[0] += (int32_t)begin * copy->grid.stride[0][i];
    }
    return CV_OK;
}

enum cv_status k_slice_run(const struct k_graph *g, const struct k_op *op)
{
    return k_copied_run(g, op);
}
