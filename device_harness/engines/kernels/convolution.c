/* The common part of CONV_2D and DEPTHWISE_CONV_2D: see convolution.h.
 *
 * Source: TFLM conv_common.cc, depthwise_conv_common.cc, reference/integer_ops/conv.h, depthwise_conv.h.
 */
#include "convolution.h"

#include "fixedpoint.h"
#include "refuse.h"

static enum cv_status check(struct k_load *l, const struct k_op *op,
                            const struct k_convolution_layout *layout)
{
    enum cv_status status = k_check_int8(l, op->inputs[0]);
    if (status == CV_OK)
        status = k_check_filter(l, op->inputs[1], 4, layout->channel_dimension);
    if (status == CV_OK)
        status = k_check_int8(l, op->output);
    if (status == CV_OK)
        status = k_check_images(l, op->inputs[0], op->output);
    if (status == CV_OK && op->options.at == 0)
        status = k_refuse(l, CV_BAD_MODEL, "no options");
    return status;
}

/* dimension: 1 for height, 2 for width; it is the same in image, filter and output. */
static enum cv_status prepare_axis(struct k_load *l, const struct k_op *op, uint32_t dimension,
                                   uint32_t stride, uint32_t dilation, uint8_t padding, struct k_axis *axis)
{
    struct fb_reader *fb = &l->graph->file;
    axis->in = l->graph->tensors[op->inputs[0]].dims[dimension];
    axis->out = l->graph->tensors[op->output].dims[dimension];
    axis->filter = l->graph->tensors[op->inputs[1]].dims[dimension];
    axis->stride = fb_i32(fb, op->options, stride, 0);
    axis->dilation = fb_i32(fb, op->options, dilation, 1);
    return k_axis_prepare(l, padding, axis);
}

static enum cv_status prepare_geometry(struct k_load *l, const struct k_op *op,
                                       const struct k_convolution_layout *layout, struct k_convolution *p)
{
    uint8_t padding = fb_u8(&l->graph->file, op->options, layout->padding, 0);
    enum cv_status status = prepare_axis(l, op, 1, layout->stride_h, layout->dilation_h, padding, &p->y);
    if (status == CV_OK)
        status = prepare_axis(l, op, 2, layout->stride_w, layout->dilation_w, padding, &p->x);
    p->batches = l->graph->tensors[op->output].dims[0];
    p->in_depth = l->graph->tensors[op->inputs[0]].dims[3];
    p->out_depth = l->graph->tensors[op->output].dims[3];
    if (status == CV_OK && l->graph->tensors[op->inputs[1]].dims[layout->channel_dimension] != p->out_depth)
        status = k_refuse(l, CV_BAD_MODEL, "the output's channels are not the filter's");
    return status;
}

static enum cv_status prepare_numbers(struct k_load *l, const struct k_op *op,
                                      const struct k_convolution_layout *layout, struct k_convolution *p)
{
    const struct k_graph *g = l->graph;
    uint32_t taps = g->tensors[op->inputs[1]].n_elements / (uint32_t)p->out_depth;
    bool by_channel = layout->channel_dimension == 0;
    enum cv_status status = k_count_macs(l, (uint64_t)g->tensors[op->output].n_elements * taps);
    if (status == CV_OK)
        status = k_activation_limits(l, fb_u8(&l->graph->file, op->options, layout->activation, 0),
                                     op->output, &p->limits);
    if (status != CV_OK)
        return status;
    p->weights = k_read(g, op->inputs[1]);
    p->z_in = k_zero_point(g, op->inputs[0]);
    p->z_out = k_zero_point(g, op->output);
    struct k_filter filter = {.weights = p->weights,
                              .zero_point = 0,
                              .n = (uint32_t)p->out_depth,
                              .taps = taps,
                              .channel_stride = by_channel ? taps : 1,
                              .tap_stride = by_channel ? 1 : (uint32_t)p->out_depth};
    return k_channels(l, op, &filter, &p->channels);
}

enum cv_status k_convolution_prepare(struct k_load *l, struct k_op *op,
                                     const struct k_convolution_layout *layout, struct k_convolution **plan)
{
    enum cv_status status = check(l, op, layout);
    if (status != CV_OK)
        return status;
    struct k_convolution *p = k_alloc(l, sizeof *p);
    if (p == NULL)
        return CV_NO_ARENA;
    op->plan = p;
    *plan = p;
    status = prepare_geometry(l, op, layout, p);
    return status == CV_OK ? prepare_numbers(l, op, layout, p) : status;
}

/* k_channels has proven |acc| < 2^31 for every partial sum. */
static void run_pixel(const struct k_convolution *p, k_accumulate *accumulate, const int8_t *image,
                      int32_t at_y, int32_t at_x, int8_t *out)
{
    for (int32_t c = 0; c < p->out_depth; c++) {
        const struct k_channel *ch = &p->channels[c];
        int32_t acc = accumulate(p, image, at_y, at_x, c) + ch->bias;
        int32_t scaled = k_wrap_add(k_requantize(acc, ch->multiplier, ch->shift), p->z_out);
        out[c] = k_clamp(scaled, p->limits.lo, p->limits.hi);
    }
}

enum cv_status k_convolution_run(const struct k_graph *g, const struct k_op *op, k_accumulate *accumulate)
{
    const struct k_convolution *p = op->plan;
    const int8_t *image = k_read(g, op->inputs[0]);
    int8_t *out = k_write(g, op->output);
    for (int32_t b = 0; b < p->batches; b++, image += p->y.in * p->x.in * p->in_depth)
        for (int32_t y = 0; y < p->y.out; y++)
            for (int32_t x = 0; x < p->x.out; x++, out += p->out_depth)
                run_pixel(p, accumulate, image, y, x, out);
    return CV_OK;
}
