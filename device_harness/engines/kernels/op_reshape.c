/* RESHAPE, int8: the same bytes under another shape.
 *
 * The output tensor's shape counts, as in TFLM; the second input and the option are not read.
 * Source: TFLM reshape_common.cc.
 */
#include <string.h>

#include "operators.h"
#include "quantize.h"
#include "refuse.h"

static enum cv_status check_type(struct k_load *l, uint32_t tensor)
{
    const struct k_tensor *t = &l->graph->tensors[tensor];
    if (t->type != K_INT8)
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "only INT8 is supported here");
    if (t->n_bytes == 0)
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "its shape is dynamic, empty or too large");
    return CV_OK;
}

enum cv_status k_reshape_prepare(struct k_load *l, struct k_op *op)
{
    enum cv_status status = check_type(l, op->inputs[0]);
    if (status == CV_OK)
        status = check_type(l, op->output);
    if (status != CV_OK)
        return status;
    if (l->graph->tensors[op->inputs[0]].n_bytes != l->graph->tensors[op->output].n_bytes)
        return k_refuse(l, CV_BAD_MODEL, "input and output differ in size");
    return CV_OK;
}

enum cv_status k_reshape_run(const struct k_graph *g, const struct k_op *op)
{
    memcpy(k_write(g, op->output), k_read(g, op->inputs[0]), g->tensors[op->output].n_bytes);
    return CV_OK;
}
