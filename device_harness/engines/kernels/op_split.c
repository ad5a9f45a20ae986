/* SPLIT (axis, tensor) into equal parts, SPLIT_V (tensor, sizes, axis): the outputs' shapes are the sizes, as in
 * TFLM, which does not read them. Source: TFLM split.cc, split_v.cc.
 */
#include "movement.h"
#include "operators.h"
#include "parting.h"
#include "refuse.h"

static enum cv_status prepare(struct k_load *l, struct k_op *op, uint32_t input, uint32_t axis)
{
    const struct k_tensor *in = &l->graph->tensors[input];
    uint32_t at = 0;
    enum cv_status status = k_check_moved(l, input, op->output);
    if (status == CV_OK && in->rank == 0)
        status = k_refuse(l, CV_BAD_MODEL, "a scalar");
    if (status == CV_OK)
        status = k_check_integers(l, axis, 1);
    if (status == CV_OK)
        status = k_check_axis(l, k_integer(l->graph, axis, 0), in->rank, &at);
    return status == CV_OK ? k_parting_prepare(l, op, input, at, false) : status;
}

enum cv_status k_split_prepare(struct k_load *l, struct k_op *op)
{
    const struct k_tensor *first = &l->graph->tensors[op->output];
    for (uint32_t i = 1; i < op->n_outputs; i++)
        if (l->graph->tensors[op->outputs[i]].n_bytes != first->n_bytes)
            return k_refuse(l, CV_BAD_MODEL, "the parts are not equal");
    return prepare(l, op, op->inputs[1], op->inputs[0]);
}

enum cv_status k_split_v_prepare(struct k_load *l, struct k_op *op)
{
    enum cv_status status = k_check_integers(l, op->inputs[1], op->n_outputs);
    return status == CV_OK ? prepare(l, op, op->inputs[0], op->inputs[2]) : status;
}
