/* Sliding windows: see window.h. */
#include "window.h"

#include "refuse.h"
#include "schema.h"

#define LIMIT ((int64_t)1 << 29)

enum cv_status k_axis_prepare(struct k_load *l, uint8_t padding, struct k_axis *axis)
{
    if (axis->stride <= 0 || axis->dilation <= 0)
        return k_refuse(l, CV_BAD_MODEL, "a stride or dilation that is not positive");
    int64_t effective = ((int64_t)axis->filter - 1) * axis->dilation + 1;
    if (effective + axis->dilation > LIMIT || (int64_t)axis->out * axis->stride > LIMIT)
        return k_refuse(l, CV_UNSUPPORTED, "a window beyond 2^29 positions");
    int64_t out;
    if (padding == PADDING_SAME)
        out = ((int64_t)axis->in + axis->stride - 1) / axis->stride;
    else if (padding == PADDING_VALID)
        out = ((int64_t)axis->in + axis->stride - effective) / axis->stride;
    else
        return k_refuse_number(l, CV_BAD_MODEL, "padding", padding);
    if (out != axis->out)
        return k_refuse_number(l, CV_BAD_MODEL, "the output's height or width should be", out);
    int64_t total = (out - 1) * axis->stride + effective - axis->in;
    axis->before = (int32_t)(total > 0 ? total / 2 : 0);
    return CV_OK;
}

enum cv_status k_check_images(struct k_load *l, uint32_t input, uint32_t output)
{
    const struct k_tensor *in = &l->graph->tensors[input];
    const struct k_tensor *out = &l->graph->tensors[output];
    if (in->rank != 4 || out->rank != 4)
        return k_refuse(l, CV_UNSUPPORTED, "input and output must have four dimensions");
    if (in->dims[0] != out->dims[0])
        return k_refuse(l, CV_BAD_MODEL, "input and output differ in batch size");
    return CV_OK;
}
