/* ADD, SUB, MUL, PRELU, MAXIMUM and MINIMUM by TFLite's reference kernels, with broadcasting. */
#include "reference.h"

#include "tensorflow/lite/kernels/internal/reference/integer_ops/add.h"
#include "tensorflow/lite/kernels/internal/reference/integer_ops/mul.h"
#include "tensorflow/lite/kernels/internal/reference/maximum_minimum.h"
#include "tensorflow/lite/kernels/internal/reference/prelu.h"
#include "tensorflow/lite/kernels/internal/reference/sub.h"

namespace reference
{

namespace
{

constexpr int LEFT_SHIFT = 20;

tfl::ArithmeticParams *prepare_arithmetic(k_load *l, k_op *op, uint32_t activation)
{
    const k_graph *g = l->graph;
    tfl::ArithmeticParams *p = planned<tfl::ArithmeticParams>(l, op);
    if (p == nullptr)
        return nullptr;
    p->input1_offset = -zero_point(g, op->inputs[0]);
    p->input2_offset = -zero_point(g, op->inputs[1]);
    p->output_offset = zero_point(g, op->output);
    prepare_limits(l, op, activation, p);
    return p;
}

cv_status prepare_sum(k_load *l, k_op *op, uint32_t activation)
{
    const k_graph *g = l->graph;
    tfl::ArithmeticParams *p = prepare_arithmetic(l, op, activation);
    if (p == nullptr)
        return CV_NO_ARENA;
    const double a = scale(g, op->inputs[0]), b = scale(g, op->inputs[1]), twice = 2.0 * std::max(a, b);
    const Multiplier first = quantized(a / twice), second = quantized(b / twice);
    const Multiplier out = quantized(twice / ((1 << LEFT_SHIFT) * scale(g, op->output)));
    p->left_shift = LEFT_SHIFT;
    p->input1_multiplier = first.value;
    p->input1_shift = first.shift;
    p->input2_multiplier = second.value;
    p->input2_shift = second.shift;
    p->output_multiplier = out.value;
    p->output_shift = out.shift;
    return CV_OK;
}

cv_status prepare_add(k_load *l, k_op *op)
{
    return prepare_sum(l, op, ADD_ACTIVATION);
}

cv_status prepare_sub(k_load *l, k_op *op)
{
    return prepare_sum(l, op, SUB_ACTIVATION);
}

cv_status prepare_mul(k_load *l, k_op *op)
{
    const k_graph *g = l->graph;
    tfl::ArithmeticParams *p = prepare_arithmetic(l, op, MUL_ACTIVATION);
    if (p == nullptr)
        return CV_NO_ARENA;
    const Multiplier m = quantized(scale(g, op->inputs[0]) * scale(g, op->inputs[1]) / scale(g, op->output));
    p->output_multiplier = m.value;
    p->output_shift = m.shift;
    return CV_OK;
}

/* A kernel of two inputs, by whether their shapes are equal. */
template <typename Same, typename Broadcast>
cv_status run_pair(const k_graph *g, const k_op *op, Same same, Broadcast broadcast)
{
    const tfl::ArithmeticParams &p = *static_cast<const tfl::ArithmeticParams *>(op->plan);
    const tfl::RuntimeShape a = shape(g, op->inputs[0]), b = shape(g, op->inputs[1]);
    const int8_t *x = read<int8_t>(g, op->inputs[0]), *z = read<int8_t>(g, op->inputs[1]);
    int8_t *y = write<int8_t>(g, op->output);
    if (a == b)
        same(p, a, x, b, z, shape(g, op->output), y);
    else
        broadcast(p, a, x, b, z, shape(g, op->output), y);
    return CV_OK;
}

using Kernel = void (*)(const tfl::ArithmeticParams &, const tfl::RuntimeShape &, const int8_t *,
                        const tfl::RuntimeShape &, const int8_t *, const tfl::RuntimeShape &, int8_t *);

cv_status run_add(const k_graph *g, const k_op *op)
{
    return run_pair(g, op, static_cast<Kernel>(tfl::reference_integer_ops::Add),
                    static_cast<Kernel>(tfl::reference_integer_ops::BroadcastAdd4DSlow));
}

cv_status run_sub(const k_graph *g, const k_op *op)
{
    return run_pair(g, op, static_cast<Kernel>(tfl::reference_ops::Sub),
                    static_cast<Kernel>(tfl::reference_ops::BroadcastQuantSubSlow<int8_t>));
}

cv_status run_mul(const k_graph *g, const k_op *op)
{
    return run_pair(g, op, static_cast<Kernel>(tfl::reference_integer_ops::Mul<int8_t>),
                    static_cast<Kernel>(tfl::reference_integer_ops::BroadcastMul4DSlow<int8_t>));
}

cv_status prepare_prelu(k_load *l, k_op *op)
{
    const k_graph *g = l->graph;
    if (g->tensors[op->inputs[0]].rank > 4 || g->tensors[op->inputs[1]].rank > 4)
        return k_refuse(l, CV_UNSUPPORTED, "more dimensions than the reference kernel has");
    tfl::PreluParams *p = planned<tfl::PreluParams>(l, op);
    if (p == nullptr)
        return CV_NO_ARENA;
    const double in = scale(g, op->inputs[0]), alpha = scale(g, op->inputs[1]), out = scale(g, op->output);
    const Multiplier above = quantized(in / out), below = quantized(in * alpha / out);
    p->input_offset = -zero_point(g, op->inputs[0]);
    p->alpha_offset = -zero_point(g, op->inputs[1]);
    p->output_offset = zero_point(g, op->output);
    p->output_multiplier_1 = above.value;
    p->output_shift_1 = above.shift;
    p->output_multiplier_2 = below.value;
    p->output_shift_2 = below.shift;
    return CV_OK;
}

cv_status run_prelu(const k_graph *g, const k_op *op)
{
    tfl::reference_ops::BroadcastPrelu4DSlow(*static_cast<const tfl::PreluParams *>(op->plan),
                                             shape(g, op->inputs[0]), read<int8_t>(g, op->inputs[0]),
                                             shape(g, op->inputs[1]), read<int8_t>(g, op->inputs[1]),
                                             shape(g, op->output), write<int8_t>(g, op->output));
    return CV_OK;
}

cv_status prepare_extreme(k_load *l, k_op *op)
{
    return l->graph->tensors[op->output].rank > 5
               ? k_refuse(l, CV_UNSUPPORTED, "more dimensions than the reference kernel has")
               : CV_OK;
}

template <typename Choose> cv_status run_extreme(const k_graph *g, const k_op *op, Choose choose)
{
    tfl::reference_ops::MaximumMinimumBroadcastSlow(
        shape(g, op->inputs[0]), read<int8_t>(g, op->inputs[0]), shape(g, op->inputs[1]),
        read<int8_t>(g, op->inputs[1]), shape(g, op->output), write<int8_t>(g, op->output), choose);
    return CV_OK;
}

cv_status run_maximum(const k_graph *g, const k_op *op)
{
    return run_extreme(g, op, [](int8_t a, int8_t b) { return a > b ? a : b; });
}

cv_status run_minimum(const k_graph *g, const k_op *op)
{
    return run_extreme(g, op, [](int8_t a, int8_t b) { return a < b ? a : b; });
}

const Row elementwise_rows[] = {
    {BUILTIN_ADD, prepare_add, run_add},
    {BUILTIN_MAXIMUM, prepare_extreme, run_maximum},
    {BUILTIN_MINIMUM, prepare_extreme, run_minimum},
    {BUILTIN_MUL, prepare_mul, run_mul},
    {BUILTIN_PRELU, prepare_prelu, run_prelu},
    {BUILTIN_SUB, prepare_sub, run_sub},
};

} // namespace

const Rows elementwise = {elementwise_rows, sizeof elementwise_rows / sizeof elementwise_rows[0]};

} // namespace reference
