/* CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV and FULLY_CONNECTED by TFLite's reference kernels. */
#include "reference.h"

#include "tensorflow/lite/kernels/internal/reference/integer_ops/conv.h"
#include "tensorflow/lite/kernels/internal/reference/integer_ops/depthwise_conv.h"
#include "tensorflow/lite/kernels/internal/reference/integer_ops/fully_connected.h"
#include "tensorflow/lite/kernels/internal/reference/integer_ops/transpose_conv.h"

namespace reference
{

namespace
{

/* Per output channel. */
struct Channels {
    int32_t *multipliers;
    int32_t *shifts;
    const int32_t *bias; /* NULL: none */
    int32_t n;
};

/* Where the inputs of an operator stand. */
struct Ordinals {
    uint32_t in, filter, bias;
};

bool prepare_channels(k_load *l, const k_op *op, Ordinals at, int32_t n, Channels *c)
{
    const k_graph *g = l->graph;
    c->n = n;
    c->multipliers = allocated<int32_t>(l, static_cast<uint64_t>(n));
    c->shifts = allocated<int32_t>(l, static_cast<uint64_t>(n));
    c->bias = bias(l, op, at.bias);
    const bool has_bias = op->n_inputs > at.bias && op->inputs[at.bias] != K_NONE;
    if (c->multipliers == nullptr || c->shifts == nullptr || (has_bias && c->bias == nullptr))
        return false;
    for (int32_t i = 0; i < n; i++) {
        const double product =
            scale(g, op->inputs[at.in]) * scale(g, op->inputs[at.filter], static_cast<uint32_t>(i));
        const Multiplier m = quantized(product / scale(g, op->output));
        c->multipliers[i] = m.value;
        c->shifts[i] = m.shift;
    }
    return true;
}

/* Fields of the options. */
struct Fields {
    uint32_t stride_h, stride_w, dilation_h, dilation_w, padding, activation;
};

constexpr uint32_t NO_FIELD = 63; /* no options have so many: it reads as 1 */

/* Strides, dilations, padding, offsets and limits of any convolution; its window slides over `over`. */
template <typename Params>
void prepare_window(k_load *l, const k_op *op, Ordinals at, const Fields &fields, uint32_t over, Params *p)
{
    const k_tensor *tensors = l->graph->tensors, *filter = &tensors[op->inputs[at.filter]];
    const auto option = [&](uint32_t field) { return static_cast<int16_t>(option_i32(l, op, field, 1)); };
    p->stride_height = option(fields.stride_h);
    p->stride_width = option(fields.stride_w);
    p->dilation_height_factor = option(fields.dilation_h);
    p->dilation_width_factor = option(fields.dilation_w);
    prepare_padding(&tensors[over], option_u8(l, op, fields.padding), filter->dims[1], filter->dims[2],
                    p->dilation_height_factor, p->dilation_width_factor, p);
    p->input_offset = -zero_point(l->graph, op->inputs[at.in]);
    p->output_offset = zero_point(l->graph, op->output);
    prepare_limits(l, op, fields.activation, p);
}

constexpr Ordinals CONVOLUTION = {0, 1, 2};
constexpr Ordinals TRANSPOSED = {2, 1, 3};

struct Convolution {
    tfl::ConvParams params;
    Channels channels;
    int32_t *scratch; /* of TRANSPOSE_CONV: an accumulator per output */
};

cv_status prepare_conv_2d(k_load *l, k_op *op)
{
    Convolution *p = planned<Convolution>(l, op);
    const int32_t n = l->graph->tensors[op->output].dims[3];
    if (p == nullptr || !prepare_channels(l, op, CONVOLUTION, n, &p->channels))
        return CV_NO_ARENA;
    const Fields fields = {CONV_STRIDE_H,   CONV_STRIDE_W, CONV_DILATION_H,
                           CONV_DILATION_W, CONV_PADDING,  CONV_ACTIVATION};
    prepare_window(l, op, CONVOLUTION, fields, op->inputs[0], &p->params);
    return CV_OK;
}

cv_status run_conv_2d(const k_graph *g, const k_op *op)
{
    const Convolution *p = static_cast<const Convolution *>(op->plan);
    tfl::reference_integer_ops::ConvPerChannel(p->params, p->channels.multipliers, p->channels.shifts,
                                               shape(g, op->inputs[0]), read<int8_t>(g, op->inputs[0]),
                                               shape(g, op->inputs[1]), read<int8_t>(g, op->inputs[1]),
                                               tfl::RuntimeShape(1, p->channels.n), p->channels.bias,
                                               shape(g, op->output), write<int8_t>(g, op->output));
    return CV_OK;
}

struct Depthwise {
    tfl::DepthwiseParams params;
    Channels channels;
};

cv_status prepare_depthwise(k_load *l, k_op *op)
{
    Depthwise *p = planned<Depthwise>(l, op);
    const int32_t n = l->graph->tensors[op->output].dims[3];
    if (p == nullptr || !prepare_channels(l, op, CONVOLUTION, n, &p->channels))
        return CV_NO_ARENA;
    const Fields fields = {DEPTHWISE_STRIDE_H,   DEPTHWISE_STRIDE_W, DEPTHWISE_DILATION_H,
                           DEPTHWISE_DILATION_W, DEPTHWISE_PADDING,  DEPTHWISE_ACTIVATION};
    prepare_window(l, op, CONVOLUTION, fields, op->inputs[0], &p->params);
    p->params.depth_multiplier = static_cast<int16_t>(option_i32(l, op, DEPTHWISE_MULTIPLIER));
    return CV_OK;
}

cv_status run_depthwise(const k_graph *g, const k_op *op)
{
    const Depthwise *p = static_cast<const Depthwise *>(op->plan);
    tfl::reference_integer_ops::DepthwiseConvPerChannel(
        p->params, p->channels.multipliers, p->channels.shifts, shape(g, op->inputs[0]),
        read<int8_t>(g, op->inputs[0]), shape(g, op->inputs[1]), read<int8_t>(g, op->inputs[1]),
        tfl::RuntimeShape(1, p->channels.n), p->channels.bias, shape(g, op->output),
        write<int8_t>(g, op->output));
    return CV_OK;
}

/* Its window slides over the output: padding is that of the convolution that it turns around. */
cv_status prepare_transpose_conv(k_load *l, k_op *op)
{
    Convolution *p = planned<Convolution>(l, op);
    const k_tensor *out = &l->graph->tensors[op->output];
    if (p == nullptr || !prepare_channels(l, op, TRANSPOSED, out->dims[3], &p->channels))
        return CV_NO_ARENA;
    p->scratch = allocated<int32_t>(l, out->n_elements);
    if (p->scratch == nullptr)
        return CV_NO_ARENA;
    const Fields fields = {TRANSPOSE_CONV_STRIDE_H, TRANSPOSE_CONV_STRIDE_W,  NO_FIELD, NO_FIELD,
                           TRANSPOSE_CONV_PADDING,  TRANSPOSE_CONV_ACTIVATION};
    prepare_window(l, op, TRANSPOSED, fields, op->output, &p->params);
    return CV_OK;
}

cv_status run_transpose_conv(const k_graph *g, const k_op *op)
{
    const Convolution *p = static_cast<const Convolution *>(op->plan);
    tfl::reference_integer_ops::TransposeConv(
        p->params, p->channels.multipliers, p->channels.shifts, shape(g, op->inputs[2]),
        read<int8_t>(g, op->inputs[2]), shape(g, op->inputs[1]), read<int8_t>(g, op->inputs[1]),
        tfl::RuntimeShape(1, p->channels.n), p->channels.bias, shape(g, op->output),
        write<int8_t>(g, op->output), tfl::RuntimeShape(), nullptr, p->scratch);
    return CV_OK;
}

struct Dense {
    tfl::FullyConnectedParams params;
    Channels channels;
    bool by_channel;
};

cv_status prepare_fully_connected(k_load *l, k_op *op)
{
    const k_graph *g = l->graph;
    const k_tensor *filter = &g->tensors[op->inputs[1]];
    Dense *p = planned<Dense>(l, op);
    if (p == nullptr || !prepare_channels(l, op, CONVOLUTION, filter->dims[0], &p->channels))
        return CV_NO_ARENA;
    p->by_channel = filter->scales.n > 1;
    p->params.input_offset = -zero_point(g, op->inputs[0]);
    p->params.weights_offset = -zero_point(g, op->inputs[1]);
    p->params.output_offset = zero_point(g, op->output);
    p->params.output_multiplier = p->channels.multipliers[0];
    p->params.output_shift = static_cast<int>(p->channels.shifts[0]);
    prepare_limits(l, op, DENSE_ACTIVATION, &p->params);
    return CV_OK;
}

cv_status run_fully_connected(const k_graph *g, const k_op *op)
{
    const Dense *p = static_cast<const Dense *>(op->plan);
    const tfl::RuntimeShape n(1, p->channels.n);
    const int8_t *x = read<int8_t>(g, op->inputs[0]), *w = read<int8_t>(g, op->inputs[1]);
    int8_t *y = write<int8_t>(g, op->output);
    if (!p->by_channel) {
        tfl::reference_integer_ops::FullyConnected(p->params, shape(g, op->inputs[0]), x,
                                                   shape(g, op->inputs[1]), w, n, p->channels.bias,
                                                   shape(g, op->output), y);
        return CV_OK;
    }
    tfl::RuntimeShape rows(2, p->channels.n); /* the kernel takes two dimensions only */
    rows.SetDim(0, static_cast<int32_t>(g->tensors[op->output].n_elements) / p->channels.n);
    tfl::reference_integer_ops::FullyConnectedPerChannel(
        p->params, p->channels.multipliers, reinterpret_cast<const int *>(p->channels.shifts),
        shape(g, op->inputs[0]), x, shape(g, op->inputs[1]), w, n, p->channels.bias, rows, y);
    return CV_OK;
}

const Row layer_rows[] = {
    {BUILTIN_CONV_2D, prepare_conv_2d, run_conv_2d},
    {BUILTIN_DEPTHWISE_CONV_2D, prepare_depthwise, run_depthwise},
    {BUILTIN_FULLY_CONNECTED, prepare_fully_connected, run_fully_connected},
    {BUILTIN_TRANSPOSE_CONV, prepare_transpose_conv, run_transpose_conv},
};

} // namespace

const Rows layers = {layer_rows, sizeof layer_rows / sizeof layer_rows[0]};

} // namespace reference
