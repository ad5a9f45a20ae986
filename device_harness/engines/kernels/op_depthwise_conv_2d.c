/* DEPTHWISE_CONV_2D, int8 or int16: output channel c = i * multiplier + m sees input channel i only.
 * See convolution.h.
 *
 * Filter: 1 x height x width x output channels. The multiplier is output channels / input channels; an option
 * that says otherwise is refused.
 */
#include "convolution.h"
#include "operators.h"
#include "refuse.h"
#include "schema.h"

static const struct k_convolution_layout layout = {
    .stride_h = DEPTHWISE_STRIDE_H,
    .stride_w = DEPTHWISE_STRIDE_W,
    .dilation_h = DEPTHWISE_DILATION_H,
    .dilation_w = DEPTHWISE_DILATION_W,
    .padding = DEPTHWISE_PADDING,
    .activation = DEPTHWISE_ACTIVATION,
    .channel_dimension = 3,
};

enum cv_status k_depthwise_conv_2d_prepare(struct k_load *l, struct k_op *op)
{
    struct k_convolution *p = NULL;
    enum cv_status status = k_convolution_prepare(l, op, &layout, &p);
    if (status != CV_OK)
        return status;
    p->group_depth = 1;
    p->filters_per_group = fb_i32(&l->graph->file, op->options, DEPTHWISE_MULTIPLIER, 0);
    if (l->graph->tensors[op->inputs[1]].dims[0] != 1)
        return k_refuse(l, CV_BAD_MODEL, "the filter is not 1 x height x width x output channels");
    if ((int64_t)p->in_depth * p->filters_per_group != p->out_depth)
        return k_refuse(l, CV_BAD_MODEL, "output channels are not input channels x depth multiplier");
    return CV_OK;
}

static int32_t accumulate(const struct k_convolution *p, const int8_t *image, int32_t at_y, int32_t at_x,
                          int32_t channel)
{
    const int8_t *plane = image + channel / p->filters_per_group;
    int32_t acc = 0;
    for (int32_t fy = 0; fy < p->y.filter; fy++) {
        int32_t y = k_axis_position(&p->y, at_y, fy);
        if (y < 0 || y >= p->y.in)
            continue;
        for (int32_t fx = 0; fx < p->x.filter; fx++) {
            int32_t x = k_axis_position(&p->x, at_x, fx);
            if (x < 0 || x >= p->x.in)
                continue;
            int32_t w = p->weights[(fy * p->x.filter + fx) * p->out_depth + channel];
            acc += w * (plane[(y * p->x.in + x) * p->in_depth] - p->z_in);
        }
    }
    return acc;
}

enum cv_status k_depthwise_conv_2d_run(const struct k_graph *g, const struct k_op *op)
{
    return k_convolution_run(g, op, accumulate);
}
