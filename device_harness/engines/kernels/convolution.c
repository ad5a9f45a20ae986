/* The common part of CONV_2D and DEPTHWISE_CONV_2D: see convolution.h.
 *
 * Source: TFLM conv_common.cc, depthwise_conv_common.cc, reference/integer_ops/conv.h, depthwise_conv.h.
 */
#include "convolution.h"

#include "elements.h"
#include "fixedpoint.h"
#include "refuse.h"

static enum cv_status check(struct k_load *l, const struct k_op *op,
                            const struct k_convolution_layout *layout)
{
    bool is_wide = l->graph->tensors[op->output].type == K_INT16;
    enum cv_status status = k_check_activations(l, op->inputs[0], is_wide);
    if (status == CV_OK)
        status = k_check_filter(l, op->inputs[1], 4, layout->channel_dimension);
    if (status == CV_OK)
        status = k_check_activations(l, op->output, is_wide);
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
    p->channel_stride = (int32_t)filter.channel_stride;
    p->tap_stride = (int32_t)filter.tap_stride;
    return g->tensors[op->output].type == K_INT16 ? k_wide_channels(l, op, &filter, false, &p->wide)
                                                  : k_channels(l, op, &filter, &p->channels);
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

/* k_wide_channels has proven |acc| < 2^47 for every partial sum. */
static int64_t accumulate_wide(const struct k_convolution *p, const int8_t *image, int32_t at_y, int32_t at_x,
                               int32_t channel)
{
    const int8_t *w = p->weights + channel * p->channel_stride;
    int32_t group = channel / p->filters_per_group * p->group_depth;
    int64_t acc = 0;
    for (int32_t tap = 0; tap < p->y.filter * p->x.filter; tap++) {
        int32_t y = k_axis_position(&p->y, at_y, tap / p->x.filter);
        int32_t x = k_axis_position(&p->x, at_x, tap % p->x.filter);
        if (y < 0 || y >= p->y.in || x < 0 || x >= p->x.in)
            continue;
        uint32_t from = (uint32_t)((y * p->x.in + x) * p->in_depth + group);
        for (int32_t i = 0; i < p->group_depth; i++)
            acc += w[(tap * p->group_depth + i) * p->tap_stride] * k_load_i16(image, from + (uint32_t)i);
    }
    return acc;
}

static enum cv_status run_wide(const struct k_graph *g, const struct k_op *op)
{
    const struct k_convolution *p = op->plan;
    const int8_t *image = k_read(g, op->inputs[0]);
    int8_t *out = k_write(g, op->output);
    uint32_t n = 0;
    for (int32_t b = 0; b < p->batches; b++, image += 2 * p->y.in * p->x.in * p->in_depth)
        for (int32_t at = 0; at < p->y.out * p->x.out; at++)
            for (int32_t c = 0; c < p->out_depth; c++) {
                int64_t acc = accumulate_wide(p, image, at / p->x.out, at % p->x.out, c);
                int32_t y;
                if (!k_wide_output(&p->wide[c], acc, &p->limits, &y))
                    return CV_ENGINE;
                k_store_i16(out, n++, y);
            }
    return CV_OK;
}

enum cv_status k_convolution_run(const struct k_graph *g, const struct k_op *op, k_accumulate *accumulate)
{
    const struct k_convolution *p = op->plan;
    const int8_t *image = k_read(g, op->inputs[0]);
    int8_t *out = k_write(g, op->output);
    if (p->wide != NULL)
        return run_wide(g, op);
    for (int32_t b = 0; b < p->batches; b++, image += p->y.in * p->x.in * p->in_depth)
        for (int32_t y = 0; y < p->y.out; y++)
            for (int32_t x = 0; x < p->x.out; x++, out += p->out_depth)
                run_pixel(p, accumulate, image, y, x, out);
    return CV_OK;
}
