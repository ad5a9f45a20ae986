/* RESHAPE, SQUEEZE and EXPAND_DIMS: the same bytes under another shape.
 *
 * The output tensor's shape counts, as in TFLM; the second input and the options are not read.
 * Source: TFLM reshape_common.cc, squeeze.cc, expand_dims.cc.
 */
#include <string.h>

#include "movement.h"
#include "operators.h"
#include "refuse.h"

enum cv_status k_reshape_prepare(struct k_load *l, struct k_op *op)
{
    enum cv_status status = k_check_moved(l, op->inputs[0], op->output);
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
