/* LOGISTIC, TANH, HARD_SWISH, LEAKY_RELU, QUANTIZE and DEQUANTIZE by TFLite's reference kernels. */
#include "reference.h"

#include "tensorflow/lite/kernels/internal/reference/dequantize.h"
#include "tensorflow/lite/kernels/internal/reference/hard_swish.h"
#include "tensorflow/lite/kernels/internal/reference/integer_ops/logistic.h"
#include "tensorflow/lite/kernels/internal/reference/integer_ops/tanh.h"
#include "tensorflow/lite/kernels/internal/reference/leaky_relu.h"
#include "tensorflow/lite/kernels/internal/reference/requantize.h"

namespace reference
{

namespace
{

constexpr int SIGMOID_INTEGER_BITS = 4;

struct Sigmoid {
    Multiplier multiplier;
    int32_t radius;
};

cv_status prepare_sigmoid(k_load *l, k_op *op)
{
    Sigmoid *p = planned<Sigmoid>(l, op);
    if (p == nullptr)
        return CV_NO_ARENA;
    p->multiplier = quantized(scale(l->graph, op->inputs[0]) * (1 << (31 - SIGMOID_INTEGER_BITS)));
    p->radius = input_radius(SIGMOID_INTEGER_BITS, p->multiplier.shift);
    return CV_OK;
}

cv_status run_logistic(const k_graph *g, const k_op *op)
{
    const Sigmoid *p = static_cast<const Sigmoid *>(op->plan);
    tfl::reference_integer_ops::Logistic(zero_point(g, op->inputs[0]), p->radius, p->multiplier.value,
                                         p->multiplier.shift, shape(g, op->inputs[0]).FlatSize(),
                                         read<int8_t>(g, op->inputs[0]), write<int8_t>(g, op->output));
    return CV_OK;
}

cv_status run_tanh(const k_graph *g, const k_op *op)
{
    const Sigmoid *p = static_cast<const Sigmoid *>(op->plan);
    tfl::reference_integer_ops::Tanh(zero_point(g, op->inputs[0]), p->radius, p->multiplier.value,
                                     p->multiplier.shift, shape(g, op->inputs[0]),
                                     read<int8_t>(g, op->inputs[0]), shape(g, op->output),
                                     write<int8_t>(g, op->output));
    return CV_OK;
}

cv_status prepare_hard_swish(k_load *l, k_op *op)
{
    const k_graph *g = l->graph;
    tfl::HardSwishParams *p = planned<tfl::HardSwishParams>(l, op);
    if (p == nullptr)
        return CV_NO_ARENA;
    const double high_resolution = scale(g, op->inputs[0]) / 128.0;
    const Multiplier out = quantized(high_resolution / scale(g, op->output));
    const Multiplier reluish = quantized(high_resolution / (3.0 / 32768.0));
    p->input_zero_point = static_cast<int16_t>(zero_point(g, op->inputs[0]));
    p->output_zero_point = static_cast<int16_t>(zero_point(g, op->output));
    p->output_multiplier_exponent = out.shift;
    p->reluish_multiplier_exponent = reluish.shift;
    tfl::DownScaleInt32ToInt16Multiplier(out.value, &p->output_multiplier_fixedpoint_int16);
    tfl::DownScaleInt32ToInt16Multiplier(reluish.value, &p->reluish_multiplier_fixedpoint_int16);
    return CV_OK;
}

cv_status run_hard_swish(const k_graph *g, const k_op *op)
{
    tfl::reference_ops::HardSwish(*static_cast<const tfl::HardSwishParams *>(op->plan),
                                  shape(g, op->inputs[0]), read<int8_t>(g, op->inputs[0]),
                                  shape(g, op->output), write<int8_t>(g, op->output));
    return CV_OK;
}

cv_status prepare_leaky_relu(k_load *l, k_op *op)
{
    const k_graph *g = l->graph;
    tfl::LeakyReluParams *p = planned<tfl::LeakyReluParams>(l, op);
    if (p == nullptr)
        return CV_NO_ARENA;
    const double slope = fb_f32(&l->graph->file, op->options, LEAKY_RELU_ALPHA, 0.0f);
    const double in = scale(g, op->inputs[0]), out = scale(g, op->output);
    const Multiplier below = quantized(in * slope / out), above = quantized(in / out);
    p->input_offset = zero_point(g, op->inputs[0]);
    p->output_offset = zero_point(g, op->output);
    p->output_multiplier_alpha = below.value;
    p->output_shift_alpha = below.shift;
    p->output_multiplier_identity = above.value;
    p->output_shift_identity = above.shift;
    return CV_OK;
}

cv_status run_leaky_relu(const k_graph *g, const k_op *op)
{
    tfl::reference_ops::QuantizeLeakyRelu(*static_cast<const tfl::LeakyReluParams *>(op->plan),
                                          shape(g, op->inputs[0]), read<int8_t>(g, op->inputs[0]),
                                          shape(g, op->output), write<int8_t>(g, op->output));
    return CV_OK;
}

cv_status prepare_quantize(k_load *l, k_op *op)
{
    Multiplier *p = planned<Multiplier>(l, op);
    if (p == nullptr)
        return CV_NO_ARENA;
    *p = quantized(scale(l->graph, op->inputs[0]) / scale(l->graph, op->output));
    return CV_OK;
}

cv_status run_quantize(const k_graph *g, const k_op *op)
{
    const Multiplier *p = static_cast<const Multiplier *>(op->plan);
    tfl::reference_ops::Requantize(read<int8_t>(g, op->inputs[0]), shape(g, op->output).FlatSize(), p->value,
                                   p->shift, zero_point(g, op->inputs[0]), zero_point(g, op->output),
                                   write<int8_t>(g, op->output));
    return CV_OK;
}

cv_status prepare_dequantize(k_load *l, k_op *op)
{
    tfl::DequantizationParams *p = planned<tfl::DequantizationParams>(l, op);
    if (p == nullptr)
        return CV_NO_ARENA;
    p->scale = scale(l->graph, op->inputs[0]);
    p->zero_point = zero_point(l->graph, op->inputs[0]);
    return CV_OK;
}

cv_status run_dequantize(const k_graph *g, const k_op *op)
{
    tfl::reference_ops::Dequantize(*static_cast<const tfl::DequantizationParams *>(op->plan),
                                   shape(g, op->inputs[0]), read<int8_t>(g, op->inputs[0]),
                                   shape(g, op->output), write<float>(g, op->output));
    return CV_OK;
}

const Row pointwise_rows[] = {
    {BUILTIN_DEQUANTIZE, prepare_dequantize, run_dequantize},
    {BUILTIN_HARD_SWISH, prepare_hard_swish, run_hard_swish},
    {BUILTIN_LEAKY_RELU, prepare_leaky_relu, run_leaky_relu},
    {BUILTIN_LOGISTIC, prepare_sigmoid, run_logistic},
    {BUILTIN_QUANTIZE, prepare_quantize, run_quantize},
    {BUILTIN_TANH, prepare_sigmoid, run_tanh},
};

} // namespace

const Rows pointwise = {pointwise_rows, sizeof pointwise_rows / sizeof pointwise_rows[0]};

} // namespace reference
