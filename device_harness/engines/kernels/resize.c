/* RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR: see resize.h. */
#include "resize.h"

#include "channels.h"
#include "movement.h"
#include "refuse.h"
#include "window.h"

enum cv_status k_resize_check(struct k_load *l, const struct k_op *op)
{
    const struct k_tensor *in = &l->graph->tensors[op->inputs[0]];
    const struct k_tensor *out = &l->graph->tensors[op->output];
    enum cv_status status = k_check_moved(l, op->inputs[0], op->output);
    if (status == CV_OK)
        status = k_check_images(l, op->inputs[0], op->output);
    if (status == CV_OK && in->dims[3] != out->dims[3])
        status = k_refuse(l, CV_BAD_MODEL, "input and output differ in channels");
    if (status == CV_OK)
        status = k_check_integers(l, op->inputs[1], 2);
    if (status != CV_OK)
        return status;
    if (k_integer(l->graph, op->inputs[1], 0) != out->dims[1] ||
        k_integer(l->graph, op->inputs[1], 1) != out->dims[2])
        return k_refuse(l, CV_BAD_MODEL, "the size is not the output's");
    if (op->options.at == 0)
        return k_refuse(l, CV_BAD_MODEL, "no options");
    return k_count_macs(l, 4u * (uint64_t)out->n_elements);
}
