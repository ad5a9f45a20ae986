/* PACK: tensors of one shape, stacked on a new axis. Source: TFLM pack.cc. */
#include "joining.h"
#include "movement.h"
#include "operators.h"
#include "refuse.h"
#include "schema.h"

/* Every input has the output's shape without the axis, on which the output has n_inputs. */
static enum cv_status check_shapes(struct k_load *l, const struct k_op *op, uint32_t axis, uint32_t *rows)
{
    const struct k_tensor *out = &l->graph->tensors[op->output];
    for (uint32_t i = 0; i < op->n_inputs; i++) {
        const struct k_tensor *in = &l->graph->tensors[op->inputs[i]];
        bool fits = in->rank + 1u == out->rank && out->dims[axis] == (int32_t)op->n_inputs;
        for (uint32_t d = 0; fits && d < in->rank; d++)
            fits = in->dims[d] == out->dims[d < axis ? d : d + 1u];
        if (!fits)
            return k_refuse_tensor(l, CV_BAD_MODEL, op->inputs[i], "its shape does not fit the output's");
    }
    *rows = 1;
    for (uint32_t d = 0; d < axis; d++)
        *rows *= (uint32_t)out->dims[d];
    return CV_OK;
}

enum cv_status k_pack_prepare(struct k_load *l, struct k_op *op)
{
    struct fb_reader *fb = &l->graph->file;
    uint32_t axis = 0;
    uint32_t rows = 1;
    if (op->options.at == 0 || fb_i32(fb, op->options, PACK_COUNT, 0) != (int32_t)op->n_inputs)
        return k_refuse(l, CV_BAD_MODEL, "no options, or values_count is not the number of inputs");
    enum cv_status status = k_joining_check(l, op, false);
    if (status == CV_OK)
        status =
            k_check_axis(l, fb_i32(fb, op->options, PACK_AXIS, 0), l->graph->tensors[op->output].rank, &axis);
    if (status == CV_OK)
        status = check_shapes(l, op, axis, &rows);
    return status == CV_OK ? k_joining_prepare(l, op, rows) : status;
}

enum cv_status k_pack_run(const struct k_graph *g, const struct k_op *op)
{
    return k_joining_run(g, op);
}
