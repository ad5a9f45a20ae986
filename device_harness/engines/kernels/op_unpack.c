/* UNPACK: one output per position on an axis, without that axis. Source: TFLM unpack.cc. */
#include "movement.h"
#include "operators.h"
#include "parting.h"
#include "refuse.h"
#include "schema.h"

enum cv_status k_unpack_prepare(struct k_load *l, struct k_op *op)
{
    struct fb_reader *fb = &l->graph->file;
    uint32_t axis = 0;
    if (op->options.at == 0 || fb_i32(fb, op->options, UNPACK_COUNT, 0) != (int32_t)op->n_outputs)
        return k_refuse(l, CV_BAD_MODEL, "no options, or num is not the number of outputs");
    enum cv_status status = k_check_moved(l, op->inputs[0], op->output);
    if (status == CV_OK)
        status = k_check_axis(l, fb_i32(fb, op->options, UNPACK_AXIS, 0),
                              l->graph->tensors[op->inputs[0]].rank, &axis);
    return status == CV_OK ? k_parting_prepare(l, op, op->inputs[0], axis, true) : status;
}
