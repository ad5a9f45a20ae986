/* The common part of MAX_POOL_2D and AVERAGE_POOL_2D: see pool.h. Source: TFLM pooling_common.cc. */
#include "pool.h"

#include "channels.h"
#include "refuse.h"
#include "schema.h"

static enum cv_status check(struct k_load *l, const struct k_op *op)
{
    const struct k_graph *g = l->graph;
    enum cv_status status = k_check_int8(l, op->inputs[0]);
    if (status == CV_OK)
        status = k_check_int8(l, op->output);
    if (status == CV_OK)
        status = k_check_images(l, op->inputs[0], op->output);
    if (status != CV_OK)
        return status;
    volatile float difference = k_scale(g, op->inputs[0]) - k_scale(g, op->output);
    if (difference > 1.0e-6 || difference < -1.0e-6 ||
        k_zero_point(g, op->inputs[0]) != k_zero_point(g, op->output))
        return k_refuse(l, CV_UNSUPPORTED, "input and output are quantized differently");
    if (g->tensors[op->inputs[0]].dims[3] != g->tensors[op->output].dims[3])
        return k_refuse(l, CV_BAD_MODEL, "input and output differ in channels");
    if (op->options.at == 0)
        return k_refuse(l, CV_BAD_MODEL, "no options");
    return CV_OK;
}

static enum cv_status prepare_axes(struct k_load *l, const struct k_op *op, struct k_pool *p)
{
    struct fb_reader *fb = &l->graph->file;
    const int32_t *in = l->graph->tensors[op->inputs[0]].dims;
    const int32_t *out = l->graph->tensors[op->output].dims;
    uint8_t padding = fb_u8(fb, op->options, POOL_PADDING, 0);
    struct k_axis y = {
        in[1], out[1], fb_i32(fb, op->options, POOL_FILTER_H, 0), fb_i32(fb, op->options, POOL_STRIDE_H, 0),
        1,     0};
    struct k_axis x = {
        in[2], out[2], fb_i32(fb, op->options, POOL_FILTER_W, 0), fb_i32(fb, op->options, POOL_STRIDE_W, 0),
        1,     0};
    if (y.filter <= 0 || x.filter <= 0)
        return k_refuse(l, CV_BAD_MODEL, "a window of no size");
    enum cv_status status = k_axis_prepare(l, padding, &y);
    if (status == CV_OK)
        status = k_axis_prepare(l, padding, &x);
    p->y = y;
    p->x = x;
    return status;
}

static uint64_t covered(const struct k_axis *axis)
{
    return (uint64_t)(axis->filter < axis->in ? axis->filter : axis->in);
}

enum cv_status k_pool_prepare(struct k_load *l, struct k_op *op)
{
    const struct k_graph *g = l->graph;
    enum cv_status status = check(l, op);
    if (status != CV_OK)
        return status;
    struct k_pool *p = k_alloc(l, sizeof *p);
    if (p == NULL)
        return CV_NO_ARENA;
    op->plan = p;
    p->batches = g->tensors[op->output].dims[0];
    p->depth = g->tensors[op->output].dims[3];
    status = prepare_axes(l, op, p);
    if (status != CV_OK)
        return status;
    if (covered(&p->y) * covered(&p->x) > 1u << 23) /* so that a sum of int8 stays below 2^30 */
        return k_refuse(l, CV_UNSUPPORTED, "a window of more than 2^23 positions");
    status = k_count_macs(l, (uint64_t)g->tensors[op->output].n_elements * covered(&p->y) * covered(&p->x));
    if (status != CV_OK)
        return status;
    return k_activation_limits(l, fb_u8(&l->graph->file, op->options, POOL_ACTIVATION, 0), op->output,
                               &p->limits);
}
