/* CONV_2D, int8 or int16, also grouped: groups = input channels / filter's input channels. See convolution.h.
 *
 * Filter: output channels x height x width x channels of one group.
 */
#include "convolution.h"
#include "operators.h"
#include "refuse.h"
#include "schema.h"

static const struct k_convolution_layout layout = {
    .stride_h = CONV_STRIDE_H,
    .stride_w = CONV_STRIDE_W,
    .dilation_h = CONV_DILATION_H,
    .dilation_w = CONV_DILATION_W,
    .padding = CONV_PADDING,
    .activation = CONV_ACTIVATION,
    .channel_dimension = 0,
};

enum cv_status k_conv_2d_prepare(struct k_load *l, struct k_op *op)
{
    struct k_convolution *p = NULL;
    enum cv_status status = k_convolution_prepare(l, op, &layout, &p);
    if (status != CV_OK)
        return status;
    bool has_bias = op->n_inputs > 2 && op->inputs[2] != K_NONE;
    if (p->wide != NULL && !has_bias &&
        fb_u8(&l->graph->file, op->options, CONV_BIAS_TYPE, K_FLOAT32) == K_INT32)
        return k_refuse(l, CV_UNSUPPORTED, "INT16 with sums of INT32");
    p->group_depth = l->graph->tensors[op->inputs[1]].dims[3];
    if (p->in_depth % p->group_depth != 0)
        return k_refuse(l, CV_BAD_MODEL, "the input's channels are not a multiple of the filter's");
    int32_t groups = p->in_depth / p->group_depth;
    if (p->out_depth % groups != 0)
        return k_refuse(l, CV_BAD_MODEL, "the output's channels are not a multiple of the groups");
    p->filters_per_group = p->out_depth / groups;
    return CV_OK;
}

static int32_t dot(const int8_t *w, const int8_t *x, int32_t n, int32_t z_in)
{
    int32_t acc = 0;
    for (int32_t i = 0; i < n; i++)
        acc += w[i] * (x[i] - z_in);
    return acc;
}

static int32_t accumulate(const struct k_convolution *p, const int8_t *image, int32_t at_y, int32_t at_x,
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

enum cv_status k_conv_2d_run(const struct k_graph *g, const struct k_op *op)
{
    return k_convolution_run(g, op, accumulate);
}
