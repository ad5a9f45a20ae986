/* CONCATENATION of up to ten tensors along an axis; INT8 inputs are quantized as the output.
 *
 * A fused activation is refused. Source: TFLM concatenation.cc.
 */
#include "joining.h"
#include "movement.h"
#include "operators.h"
#include "refuse.h"
#include "schema.h"

/* Equal sizes but on the axis; *rows: the product of the dimensions before it. */
static enum cv_status check_shapes(struct k_load *l, const struct k_op *op, uint32_t axis, uint32_t *rows)
{
    const struct k_tensor *out = &l->graph->tensors[op->output];
    for (uint32_t i = 0; i < op->n_inputs; i++) {
        const struct k_tensor *in = &l->graph->tensors[op->inputs[i]];
        bool fits = in->rank == out->rank;
        for (uint32_t d = 0; fits && d < out->rank; d++)
            fits = d == axis || in->dims[d] == out->dims[d];
        if (!fits)
            return k_refuse_tensor(l, CV_BAD_MODEL, op->inputs[i], "its shape does not fit the output's");
    }
    *rows = 1;
    for (uint32_t d = 0; d < axis; d++)
        *rows *= (uint32_t)out->dims[d];
    return CV_OK;
}

enum cv_status k_concatenation_prepare(struct k_load *l, struct k_op *op)
{
    struct fb_reader *fb = &l->graph->file;
    uint32_t axis = 0;
    uint32_t rows = 1;
    if (op->options.at == 0)
        return k_refuse(l, CV_BAD_MODEL, "no options");
    if (fb_u8(fb, op->options, CONCATENATION_ACTIVATION, 0) != ACTIVATION_NONE)
        return k_refuse(l, CV_UNSUPPORTED, "a fused activation");
    enum cv_status status = k_joining_check(l, op, true);
    if (status == CV_OK)
        status = k_check_axis(l, fb_i32(fb, op->options, CONCATENATION_AXIS, 0),
                              l->graph->tensors[op->output].rank, &axis);
    if (status == CV_OK)
        status = check_shapes(l, op, axis, &rows);
    return status == CV_OK ? k_joining_prepare(l, op, rows) : status;
}

enum cv_status k_concatenation_run(const struct k_graph *g, const struct k_op *op)
{
    return k_joining_run(g, op);
}
