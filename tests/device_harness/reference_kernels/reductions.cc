/* The pools, MEAN, SUM and SOFTMAX by TFLite's reference kernels. */
#include "reference.h"

#include "tensorflow/lite/kernels/internal/reference/integer_ops/pooling.h"
#include "tensorflow/lite/kernels/internal/reference/reduce.h"
#include "tensorflow/lite/kernels/internal/reference/softmax.h"

namespace reference
{

namespace
{

cv_status prepare_pool(k_load *l, k_op *op)
{
    tfl::PoolParams *p = planned<tfl::PoolParams>(l, op);
    if (p == nullptr)
        return CV_NO_ARENA;
    p->stride_height = option_i32(l, op, POOL_STRIDE_H);
    p->stride_width = option_i32(l, op, POOL_STRIDE_W);
    p->filter_height = option_i32(l, op, POOL_FILTER_H);
    p->filter_width = option_i32(l, op, POOL_FILTER_W);
    prepare_padding(&l->graph->tensors[op->inputs[0]], option_u8(l, op, POOL_PADDING), p->filter_height,
                    p->filter_width, 1, 1, p);
    prepare_limits(l, op, POOL_ACTIVATION, p);
    return CV_OK;
}

cv_status run_average_pool(const k_graph *g, const k_op *op)
{
    const bool done = tfl::reference_integer_ops::AveragePool(
        *static_cast<const tfl::PoolParams *>(op->plan), shape(g, op->inputs[0]),
        read<int8_t>(g, op->inputs[0]), shape(g, op->output), write<int8_t>(g, op->output));
    return done ? CV_OK : CV_ENGINE;
}

cv_status run_max_pool(const k_graph *g, const k_op *op)
{
    tfl::reference_integer_ops::MaxPool(*static_cast<const tfl::PoolParams *>(op->plan),
                                        shape(g, op->inputs[0]), read<int8_t>(g, op->inputs[0]),
                                        shape(g, op->output), write<int8_t>(g, op->output));
    return CV_OK;
}

struct Reduction {
    Multiplier multiplier;
    int n_axes;
    int *axes;
    int32_t *sums; /* one per output */
};

cv_status prepare_reduction(k_load *l, k_op *op)
{
    const k_graph *g = l->graph;
    Reduction *p = planned<Reduction>(l, op);
    if (p == nullptr)
        return CV_NO_ARENA;
    p->multiplier = quantized(scale(g, op->inputs[0]) / scale(g, op->output));
    p->n_axes = static_cast<int>(g->tensors[op->inputs[1]].n_elements);
    p->axes = allocated<int>(l, static_cast<uint64_t>(p->n_axes));
    p->sums = allocated<int32_t>(l, g->tensors[op->output].n_elements);
    if (p->axes == nullptr || p->sums == nullptr)
        return CV_NO_ARENA;
    for (int i = 0; i < p->n_axes; i++)
        p->axes[i] = static_cast<int>(integer(g, op->inputs[1], static_cast<uint32_t>(i)));
    return CV_OK;
}

cv_status run_reduction(const k_graph *g, const k_op *op, bool sum)
{
    const Reduction *p = static_cast<const Reduction *>(op->plan);
    const k_tensor *in = &g->tensors[op->inputs[0]], *out = &g->tensors[op->output];
    int position[K_MAX_RANK], axes[K_MAX_RANK];
    const bool done = tfl::reference_ops::QuantizedMeanOrSum<int8_t, int32_t>(
        read<int8_t>(g, op->inputs[0]), zero_point(g, op->inputs[0]), reinterpret_cast<const int *>(in->dims),
        in->rank, write<int8_t>(g, op->output), p->multiplier.value, p->multiplier.shift,
        zero_point(g, op->output), reinterpret_cast<const int *>(out->dims), out->rank, p->axes, p->n_axes,
        in->rank == out->rank, position, axes, p->sums, sum);
    return done ? CV_OK : CV_ENGINE;
}

cv_status run_mean(const k_graph *g, const k_op *op)
{
    return run_reduction(g, op, false);
}

cv_status run_sum(const k_graph *g, const k_op *op)
{
    return run_reduction(g, op, true);
}

constexpr int SOFTMAX_INTEGER_BITS = 5;
#if TFLITE_SINGLE_ROUNDING
constexpr double LARGEST_MULTIPLIER = 1073741823.0;
#else
constexpr double LARGEST_MULTIPLIER = 2147483647.0;
#endif

/* Source: PreprocessSoftmaxScaling. */
cv_status prepare_softmax(k_load *l, k_op *op)
{
    tfl::SoftmaxParams *p = planned<tfl::SoftmaxParams>(l, op);
    if (p == nullptr)
        return CV_NO_ARENA;
    const double beta = fb_f32(&l->graph->file, op->options, SOFTMAX_BETA, 0.0f);
    const double real = beta * scale(l->graph, op->inputs[0]) * (1 << (31 - SOFTMAX_INTEGER_BITS));
    const Multiplier m = quantized(std::min(real, LARGEST_MULTIPLIER));
    p->input_multiplier = m.value;
    p->input_left_shift = m.shift;
    p->diff_min = static_cast<int>(-input_radius(SOFTMAX_INTEGER_BITS, m.shift));
    return CV_OK;
}

cv_status run_softmax(const k_graph *g, const k_op *op)
{
    tfl::reference_ops::Softmax(*static_cast<const tfl::SoftmaxParams *>(op->plan), shape(g, op->inputs[0]),
                                read<int8_t>(g, op->inputs[0]), shape(g, op->output),
                                write<int8_t>(g, op->output));
    return CV_OK;
}

const Row reduction_rows[] = {
    {BUILTIN_AVERAGE_POOL_2D, prepare_pool, run_average_pool},
    {BUILTIN_MAX_POOL_2D, prepare_pool, run_max_pool},
    {BUILTIN_MEAN, prepare_reduction, run_mean},
    {BUILTIN_SOFTMAX, prepare_softmax, run_softmax},
    {BUILTIN_SUM, prepare_reduction, run_sum},
};

} // namespace

const Rows reductions = {reduction_rows, sizeof reduction_rows / sizeof reduction_rows[0]};

} // namespace reference
