/* SHAPE: the input's dimensions as INT32. Source: TFLM shape.cc. */
#include "bytes.h"
#include "operators.h"
#include "refuse.h"

enum cv_status k_shape_prepare(struct k_load *l, struct k_op *op)
{
    const struct k_tensor *in = &l->graph->tensors[op->inputs[0]];
    const struct k_tensor *out = &l->graph->tensors[op->output];
    if (in->n_elements == 0)
        return k_refuse_tensor(l, CV_UNSUPPORTED, op->inputs[0], "its shape is dynamic, empty or too large");
    if (out->type != K_INT32 || out->rank != 1 || out->dims[0] != (int32_t)in->rank)
        return k_refuse(l, CV_UNSUPPORTED, "the output is not one INT32 per dimension");
    return CV_OK;
}

enum cv_status k_shape_run(const struct k_graph *g, const struct k_op *op)
{
    const struct k_tensor *in = &g->tensors[op->inputs[0]];
    for (uint32_t i = 0; i < in->rank; i++)
        cv_store_u32(g->tensors[op->output].data + 4u * i, (uint32_t)in->dims[i]);
    return CV_OK;
}
