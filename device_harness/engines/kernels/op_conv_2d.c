/* CONV_2D, int8, also grouped: y = requantize(sum w (x - z_x) + bias) + z_y over the taps in the image.
 *
 * The filter's zero point is ignored, as in TFLM; taps outside the image are left out; groups = input
 * channels / filter's input channels. Source: TFLM conv_common.cc and reference/integer_ops/conv.h.
 */
#include "channels.h"
#include "fixedpoint.h"
#include "operators.h"
#include "refuse.h"
#include "schema.h"
#include "window.h"

struct plan {
    const int8_t *weights; /* out_depth x filter height x filter width x group_depth */
    struct k_channel *channels;
    struct k_axis y;
    struct k_axis x;
    int32_t batches;
    int32_t in_depth;
    int32_t out_depth;
    int32_t group_depth; /* input channels of one group */
    int32_t filters_per_group;
    int32_t z_in;
    int32_t z_out;
    struct k_limits limits;
};

static enum cv_status check(struct k_load *l, const struct k_op *op)
{
    enum cv_status status = k_check_int8(l, op->inputs[0]);
    if (status == CV_OK)
        status = k_check_filter(l, op->inputs[1], 4, 0);
    if (status == CV_OK)
        status = k_check_int8(l, op->output);
    if (status == CV_OK)
        status = k_check_images(l, op->inputs[0], op->output);
    if (status == CV_OK && op->options.at == 0)
        status = k_refuse(l, CV_BAD_MODEL, "no options");
    return status;
}

static enum cv_status prepare_axes(struct k_load *l, const struct k_op *op, struct plan *p)
{
    struct fb_reader *fb = &l->graph->file;
    const int32_t *in = l->graph->tensors[op->inputs[0]].dims;
    const int32_t *filter = l->graph->tensors[op->inputs[1]].dims;
    const int32_t *out = l->graph->tensors[op->output].dims;
    uint8_t padding = fb_u8(fb, op->options, CONV_PADDING, 0);
    struct k_axis y = {in[1],
                       out[1],
                       filter[1],
                       fb_i32(fb, op->options, CONV_STRIDE_H, 0),
                       fb_i32(fb, op->options, CONV_DILATION_H, 1),
                       0};
    struct k_axis x = {in[2],
                       out[2],
                       filter[2],
                       fb_i32(fb, op->options, CONV_STRIDE_W, 0),
                       fb_i32(fb, op->options, CONV_DILATION_W, 1),
                       0};
    enum cv_status status = k_axis_prepare(l, padding, &y);
    if (status == CV_OK)
        status = k_axis_prepare(l, padding, &x);
    p->y = y;
    p->x = x;
    return status;
}

static enum cv_status prepare_depths(struct k_load *l, const struct k_op *op, struct plan *p)
{
    const int32_t *filter = l->graph->tensors[op->inputs[1]].dims;
    p->batches = l->graph->tensors[op->output].dims[0];
    p->in_depth = l->graph->tensors[op->inputs[0]].dims[3];
    p->out_depth = l->graph->tensors[op->output].dims[3];
    p->group_depth = filter[3];
    if (filter[0] != p->out_depth)
        return k_refuse(l, CV_BAD_MODEL, "the output's channels are not the filter's first dimension");
    if (p->in_depth % p->group_depth != 0)
        return k_refuse(l, CV_BAD_MODEL, "the input's channels are not a multiple of the filter's");
    int32_t groups = p->in_depth / p->group_depth;
    if (p->out_depth % groups != 0)
        return k_refuse(l, CV_BAD_MODEL, "the output's channels are not a multiple of the groups");
    p->filters_per_group = p->out_depth / groups;
    return k_count_macs(l, (uint64_t)l->graph->tensors[op->output].n_elements *
                               (l->graph->tensors[op->inputs[1]].n_elements / (uint32_t)p->out_depth));
}

enum cv_status k_conv_2d_prepare(struct k_load *l, struct k_op *op)
{
    struct k_graph *g = l->graph;
    enum cv_status status = check(l, op);
    if (status != CV_OK)
        return status;
    struct plan *p = k_alloc(l, sizeof *p);
    if (p == NULL)
        return CV_NO_ARENA;
    op->plan = p;
    status = prepare_depths(l, op, p);
    if (status == CV_OK)
        status = prepare_axes(l, op, p);
    if (status == CV_OK)
        status =
            k_activation_limits(l, fb_u8(&g->file, op->options, CONV_ACTIVATION, 0), op->output, &p->limits);
    if (status != CV_OK)
        return status;
    uint32_t taps = g->tensors[op->inputs[1]].n_elements / (uint32_t)p->out_depth;
    p->weights = k_read(g, op->inputs[1]);
    p->z_in = k_zero_point(g, op->inputs[0]);
    p->z_out = k_zero_point(g, op->output);
    struct k_filter filter = {p->weights, 0, (uint32_t)p->out_depth, taps, taps, 1};
    return k_channels(l, op, &filter, &p->channels);
}

static int32_t dot(const int8_t *w, const int8_t *x, int32_t n, int32_t z_in)
{
    int32_t acc = 0;
    for (int32_t i = 0; i < n; i++)
        acc += w[i] * (x[i] - z_in);
    return acc;
}

/* One output value before requantization; k_channels has proven |acc| < 2^31 for every partial sum. */
static int32_t accumulate(const struct plan *p, const int8_t *image, int32_t at_y, int32_t at_x,
                          int32_t channel)
{
    int32_t taps = p->y.filter * p->x.filter * p->group_depth;
    const int8_t *w = p->weights + channel * taps;
    const int8_t *group = image + channel / p->filters_per_group * p->group_depth;
    int32_t acc = 0;
    for (int32_t fy = 0; fy < p->y.filter; fy++) {
        int32_t y = k_axis_position(&p->y, at_y, fy);
        if (y < 0 || y >= p->y.in) {
            w += p->x.filter * p->group_depth;
            continue;
        }
        for (int32_t fx = 0; fx < p->x.filter; fx++, w += p->group_depth) {
            int32_t x = k_axis_position(&p->x, at_x, fx);
            if (x >= 0 && x < p->x.in)
                acc += dot(w, group + (y * p->x.in + x) * p->in_depth, p->group_depth, p->z_in);
        }
    }
    return acc;
}

static void run_pixel(const struct plan *p, const int8_t *image, int32_t at_y, int32_t at_x, int8_t *out)
{
    for (int32_t c = 0; c < p->out_depth; c++) {
        const struct k_channel *ch = &p->channels[c];
        int32_t acc = accumulate(p, image, at_y, at_x, c) + ch->bias;
        int32_t scaled = k_wrap_add(k_requantize(acc, ch->multiplier, ch->shift), p->z_out);
        out[c] = k_clamp(scaled, p->limits.lo, p->limits.hi);
    }
}

enum cv_status k_conv_2d_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *image = k_read(g, op->inputs[0]);
    int8_t *out = k_write(g, op->output);
    for (int32_t b = 0; b < p->batches; b++, image += p->y.in * p->x.in * p->in_depth)
        for (int32_t y = 0; y < p->y.out; y++)
            for (int32_t x = 0; x < p->x.out; x++, out += p->out_depth)
                run_pixel(p, image, y, x, out);
    return CV_OK;
}
