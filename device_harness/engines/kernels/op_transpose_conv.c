/* TRANSPOSE_CONV, int8 or int16: the convolution on the output's axes, read backwards. Inputs: output shape, filter,
 * input, bias.
 *
 * The first input is not read, as in TFLM: the output's declared shape rules. Every output pixel adds up the
 * taps t of the filter for which (pixel + padding - t) / stride is an input pixel.
 * Filter: output channels x height x width x input channels.
 * Source: TFLM transpose_conv.cc, reference/integer_ops/transpose_conv.h, kernels/padding.h.
 */
#include "channels.h"
#include "elements.h"
#include "fixedpoint.h"
#include "operators.h"
#include "quantize.h"
#include "refuse.h"
#include "schema.h"
#include "wide_channels.h"
#include "window.h"

#define MAX_REACH ((int64_t)1 << 29)

struct axis {
    int32_t in;
    int32_t out;
    int32_t filter;
    int32_t stride;
    int32_t before; /* padding of the convolution */
};

struct plan {
    const int8_t *weights;
    struct k_channel *channels;  /* of int8 */
    struct k_wide_channel *wide; /* of int16; NULL: int8 */
    struct axis y;
    struct axis x;
    int32_t in_depth;
    int32_t z_in;
    int32_t z_out;
    struct k_limits limits;
};

/* Divisions truncate, also where the kernel is larger than the output: the padding follows from that. */
static enum cv_status prepare_axis(struct k_load *l, uint8_t padding, struct axis *a)
{
    if (a->stride <= 0)
        return k_refuse(l, CV_BAD_MODEL, "a stride that is not positive");
    if (padding != PADDING_SAME && padding != PADDING_VALID)
        return k_refuse_number(l, CV_BAD_MODEL, "padding", padding);
    int64_t needed = padding == PADDING_SAME ? 1 : a->filter;
    int64_t positions = ((int64_t)a->out + a->stride - needed) / a->stride;
    int64_t total = (positions - 1) * a->stride + a->filter - a->out;
    if ((int64_t)a->in * a->stride + a->filter + a->out > MAX_REACH)
        return k_refuse(l, CV_UNSUPPORTED, "a window beyond 2^29 positions");
    a->before = (int32_t)(total > 0 ? total / 2 : 0);
    return CV_OK;
}

static enum cv_status prepare_geometry(struct k_load *l, const struct k_op *op, struct plan *p)
{
    struct fb_reader *fb = &l->graph->file;
    const struct k_tensor *filter = &l->graph->tensors[op->inputs[1]];
    const struct k_tensor *in = &l->graph->tensors[op->inputs[2]];
    const struct k_tensor *out = &l->graph->tensors[op->output];
    uint8_t padding = fb_u8(fb, op->options, TRANSPOSE_CONV_PADDING, 0);
    if (filter->dims[0] != out->dims[3] || filter->dims[3] != in->dims[3])
        return k_refuse(l, CV_BAD_MODEL, "the filter's channels are not those of input and output");
    struct axis y = {in->dims[1], out->dims[1], filter->dims[1],
                     fb_i32(fb, op->options, TRANSPOSE_CONV_STRIDE_H, 0), 0};
    struct axis x = {in->dims[2], out->dims[2], filter->dims[2],
                     fb_i32(fb, op->options, TRANSPOSE_CONV_STRIDE_W, 0), 0};
    p->y = y;
    p->x = x;
    p->in_depth = in->dims[3];
    enum cv_status status = prepare_axis(l, padding, &p->y);
    return status == CV_OK ? prepare_axis(l, padding, &p->x) : status;
}

static enum cv_status prepare_numbers(struct k_load *l, const struct k_op *op, struct plan *p)
{
    const struct k_graph *g = l->graph;
    uint32_t n = (uint32_t)g->tensors[op->output].dims[3];
    uint32_t taps = g->tensors[op->inputs[1]].n_elements / n;
    uint32_t inputs[] = {op->inputs[2], op->inputs[1], op->n_inputs > 3 ? op->inputs[3] : K_NONE};
    struct k_op layer = *op; /* its inputs in the order of a convolution's */
    layer.inputs = inputs;
    layer.n_inputs = 3;
    p->weights = k_read(g, op->inputs[1]);
    p->z_in = k_zero_point(g, op->inputs[2]);
    p->z_out = k_zero_point(g, op->output);
    struct k_filter filter = {.weights = p->weights,
                              .zero_point = 0,
                              .n = n,
                              .taps = taps,
                              .channel_stride = taps,
                              .tap_stride = 1};
    enum cv_status status = k_count_macs(l, (uint64_t)g->tensors[op->output].n_elements * taps);
    if (status == CV_OK)
        status = k_activation_limits(l, fb_u8(&l->graph->file, op->options, TRANSPOSE_CONV_ACTIVATION, 0),
                                     op->output, &p->limits);
    if (status != CV_OK)
        return status;
    return g->tensors[op->output].type == K_INT16 ? k_wide_channels(l, &layer, &filter, true, &p->wide)
                                                  : k_channels(l, &layer, &filter, &p->channels);
}

enum cv_status k_transpose_conv_prepare(struct k_load *l, struct k_op *op)
{
    bool is_wide = l->graph->tensors[op->output].type == K_INT16;
    enum cv_status status = k_check_activations(l, op->inputs[2], is_wide);
    if (status == CV_OK)
        status = k_check_filter(l, op->inputs[1], 4, 0);
    if (status == CV_OK)
        status = k_check_activations(l, op->output, is_wide);
    if (status == CV_OK)
        status = k_check_images(l, op->inputs[2], op->output);
    if (status == CV_OK && op->options.at == 0)
        status = k_refuse(l, CV_BAD_MODEL, "no options");
    struct plan *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = p;
    status = prepare_geometry(l, op, p);
    return status == CV_OK ? prepare_numbers(l, op, p) : status;
}

/* The input position whose tap `tap` lands on output position `at`; -1: there is none. */
static int32_t source(const struct axis *a, int32_t at, int32_t tap)
{
    int32_t from = at + a->before - tap;
    return from >= 0 && from % a->stride == 0 && from / a->stride < a->in ? from / a->stride : -1;
}

static int32_t dot(const int8_t *w, const int8_t *x, int32_t n, int32_t z_in)
{
    int32_t acc = 0;
    for (int32_t i = 0; i < n; i++)
        acc += w[i] * (x[i] - z_in);
    return acc;
}

/* Every weight counts at most once, so that k_channels has proven |acc| < 2^31 for every partial sum. */
static int32_t accumulate(const struct plan *p, const int8_t *image, int32_t at_y, int32_t at_x,
                          int32_t channel)
{
    const int8_t *w = p->weights + channel * p->y.filter * p->x.filter * p->in_depth;
    int32_t acc = 0;
    for (int32_t fy = 0; fy < p->y.filter; fy++) {
        int32_t y = source(&p->y, at_y, fy);
        for (int32_t fx = 0; fx < p->x.filter; fx++, w += p->in_depth) {
            int32_t x = source(&p->x, at_x, fx);
            if (y >= 0 && x >= 0)
                acc += dot(w, image + (y * p->x.in + x) * p->in_depth, p->in_depth, p->z_in);
        }
    }
    return acc;
}

static void run_pixel(const struct plan *p, const int8_t *image, int32_t at_y, int32_t at_x, int8_t *out,
                      int32_t depth)
{
    for (int32_t c = 0; c < depth; c++) {
        const struct k_channel *ch = &p->channels[c];
        int32_t acc = accumulate(p, image, at_y, at_x, c) + ch->bias;
        int32_t scaled = k_wrap_add(k_requantize(acc, ch->multiplier, ch->shift), p->z_out);
        out[c] = k_clamp(scaled, p->limits.lo, p->limits.hi);
    }
}

/* Likewise below 2^47. */
static int64_t accumulate_wide(const struct plan *p, const int8_t *image, int32_t at_y, int32_t at_x,
                               int32_t channel)
{
    const int8_t *w = p->weights + channel * p->y.filter * p->x.filter * p->in_depth;
    int64_t acc = 0;
    for (int32_t tap = 0; tap < p->y.filter * p->x.filter; tap++, w += p->in_depth) {
        int32_t y = source(&p->y, at_y, tap / p->x.filter);
        int32_t x = source(&p->x, at_x, tap % p->x.filter);
        uint32_t from = (uint32_t)((y * p->x.in + x) * p->in_depth);
        for (int32_t i = 0; y >= 0 && x >= 0 && i < p->in_depth; i++)
            acc += w[i] * k_load_i16(image, from + (uint32_t)i);
    }
    return acc;
}

static enum cv_status run_wide(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const struct k_tensor *t = &g->tensors[op->output];
    const int8_t *image = k_read(g, op->inputs[2]);
    int8_t *out = k_write(g, op->output);
    uint32_t n = 0;
    for (int32_t b = 0; b < t->dims[0]; b++, image += 2 * p->y.in * p->x.in * p->in_depth)
        for (int32_t at = 0; at < p->y.out * p->x.out; at++)
            for (int32_t c = 0; c < t->dims[3]; c++) {
                int64_t acc = accumulate_wide(p, image, at / p->x.out, at % p->x.out, c);
                int32_t y;
                if (!k_wide_output(&p->wide[c], acc, &p->limits, &y))
                    return CV_ENGINE;
                k_store_i16(out, n++, y);
            }
    return CV_OK;
}

enum cv_status k_transpose_conv_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const struct k_tensor *t = &g->tensors[op->output];
    const int8_t *image = k_read(g, op->inputs[2]);
    int8_t *out = k_write(g, op->output);
    if (p->wide != NULL)
        return run_wide(g, op);
    for (int32_t b = 0; b < t->dims[0]; b++, image += p->y.in * p->x.in * p->in_depth)
        for (int32_t y = 0; y < p->y.out; y++)
            for (int32_t x = 0; x < p->x.out; x++, out += t->dims[3])
                run_pixel(p, image, y, x, out, t->dims[3]);
    return CV_OK;
}
