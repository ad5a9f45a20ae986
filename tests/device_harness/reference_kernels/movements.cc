/* CONCATENATION, PAD, PADV2, SLICE, STRIDED_SLICE and TRANSPOSE by TFLite's reference kernels. */
#include "reference.h"

#include "tensorflow/lite/kernels/internal/reference/concatenation.h"
#include "tensorflow/lite/kernels/internal/reference/pad.h"
#include "tensorflow/lite/kernels/internal/reference/slice.h"
#include "tensorflow/lite/kernels/internal/reference/strided_slice.h"
#include "tensorflow/lite/kernels/internal/reference/transpose.h"

namespace reference
{

namespace
{

/* move(int8_t{}) or move(int32_t{}): by the width of the output's elements, which `within` has checked. */
template <typename Move> cv_status by_width(const k_graph *g, const k_op *op, Move move)
{
    const k_tensor *out = &g->tensors[op->output];
    if (out->n_bytes == out->n_elements)
        move(int8_t{});
    else
        move(int32_t{});
    return CV_OK;
}

/* Elements of one byte or four, in no more dimensions than the reference kernel has. */
cv_status within(k_load *l, const k_op *op, uint32_t rank)
{
    const k_tensor *out = &l->graph->tensors[op->output];
    if (l->graph->tensors[op->inputs[0]].rank > rank)
        return k_refuse(l, CV_UNSUPPORTED, "more dimensions than the reference kernel has");
    const uint32_t width = out->n_bytes / out->n_elements;
    return width == 1 || width == 4 ? CV_OK : k_refuse(l, CV_UNSUPPORTED, "elements of two bytes");
}

/* `planned` after `within`. */
template <typename Plan> cv_status planned_within(k_load *l, k_op *op, uint32_t rank, Plan **plan)
{
    const cv_status status = within(l, op, rank);
    if (status != CV_OK)
        return status;
    *plan = planned<Plan>(l, op);
    return *plan == nullptr ? CV_NO_ARENA : CV_OK;
}

constexpr int MAX_JOINED = 10;

cv_status prepare_concatenation(k_load *l, k_op *op)
{
    tfl::ConcatenationParams *p = nullptr;
    const cv_status status = planned_within(l, op, K_MAX_RANK, &p);
    if (status != CV_OK)
        return status;
    const int32_t axis = option_i32(l, op, CONCATENATION_AXIS);
    p->axis = static_cast<int8_t>(axis < 0 ? axis + l->graph->tensors[op->output].rank : axis);
    p->inputs_count = static_cast<uint16_t>(op->n_inputs);
    return CV_OK;
}

cv_status run_concatenation(const k_graph *g, const k_op *op)
{
    return by_width(g, op, [&](auto element) {
        using T = decltype(element);
        tfl::RuntimeShape shapes[MAX_JOINED];
        const tfl::RuntimeShape *shape_of[MAX_JOINED];
        const T *data[MAX_JOINED];
        for (uint32_t i = 0; i < op->n_inputs; i++) {
            shapes[i].ReplaceWith(g->tensors[op->inputs[i]].rank, g->tensors[op->inputs[i]].dims);
            shape_of[i] = &shapes[i];
            data[i] = read<T>(g, op->inputs[i]);
        }
        tfl::reference_ops::Concatenation(*static_cast<const tfl::ConcatenationParams *>(op->plan), shape_of,
                                          data, shape(g, op->output), write<T>(g, op->output));
    });
}

cv_status prepare_pad(k_load *l, k_op *op)
{
    const k_graph *g = l->graph;
    tfl::PadParams *p = nullptr;
    const cv_status status = planned_within(l, op, 5, &p);
    if (status != CV_OK)
        return status;
    const uint32_t rank = g->tensors[op->inputs[0]].rank;
    p->left_padding_count = p->right_padding_count = static_cast<int8_t>(rank);
    for (uint32_t i = 0; i < rank; i++) {
        p->left_padding[i] = integer(g, op->inputs[1], 2 * i);
        p->right_padding[i] = integer(g, op->inputs[1], 2 * i + 1);
    }
    return CV_OK;
}

cv_status run_pad(const k_graph *g, const k_op *op)
{
    return by_width(g, op, [&](auto element) {
        using T = decltype(element);
        T value = g->tensors[op->output].type == K_INT8 ? static_cast<T>(zero_point(g, op->output)) : T{0};
        if (op->n_inputs > 2 && op->inputs[2] != K_NONE)
            std::memcpy(&value, k_read(g, op->inputs[2]), sizeof value);
        tfl::reference_ops::PadImpl(*static_cast<const tfl::PadParams *>(op->plan), shape(g, op->inputs[0]),
                                    read<T>(g, op->inputs[0]), &value, shape(g, op->output),
                                    write<T>(g, op->output));
    });
}

cv_status prepare_slice(k_load *l, k_op *op)
{
    const k_graph *g = l->graph;
    tfl::SliceParams *p = nullptr;
    const cv_status status = planned_within(l, op, 5, &p);
    if (status != CV_OK)
        return status;
    const uint32_t rank = g->tensors[op->inputs[0]].rank;
    p->begin_count = p->size_count = static_cast<int8_t>(rank);
    for (uint32_t i = 0; i < rank; i++) {
        p->begin[i] = integer(g, op->inputs[1], i);
        p->size[i] = integer(g, op->inputs[2], i);
    }
    return CV_OK;
}

cv_status run_slice(const k_graph *g, const k_op *op)
{
    return by_width(g, op, [&](auto element) {
        using T = decltype(element);
        tfl::reference_ops::Slice(*static_cast<const tfl::SliceParams *>(op->plan), shape(g, op->inputs[0]),
                                  read<T>(g, op->inputs[0]), shape(g, op->output), write<T>(g, op->output));
    });
}

cv_status prepare_strided_slice(k_load *l, k_op *op)
{
    const k_graph *g = l->graph;
    tfl::StridedSliceParams *p = nullptr;
    const cv_status status = planned_within(l, op, 5, &p);
    if (status != CV_OK)
        return status;
    const uint32_t rank = g->tensors[op->inputs[0]].rank;
    p->start_indices_count = p->stop_indices_count = p->strides_count = static_cast<int8_t>(rank);
    for (uint32_t i = 0; i < rank; i++) {
        p->start_indices[i] = integer(g, op->inputs[1], i);
        p->stop_indices[i] = integer(g, op->inputs[2], i);
        p->strides[i] = integer(g, op->inputs[3], i);
    }
    p->begin_mask = static_cast<uint16_t>(option_i32(l, op, STRIDED_SLICE_BEGIN_MASK));
    p->end_mask = static_cast<uint16_t>(option_i32(l, op, STRIDED_SLICE_END_MASK));
    p->shrink_axis_mask = static_cast<uint16_t>(option_i32(l, op, STRIDED_SLICE_SHRINK_AXIS_MASK));
    return CV_OK;
}

cv_status run_strided_slice(const k_graph *g, const k_op *op)
{
    return by_width(g, op, [&](auto element) {
        using T = decltype(element);
        tfl::reference_ops::StridedSlice(*static_cast<const tfl::StridedSliceParams *>(op->plan),
                                         shape(g, op->inputs[0]), read<T>(g, op->inputs[0]),
                                         shape(g, op->output), write<T>(g, op->output));
    });
}

cv_status prepare_transpose(k_load *l, k_op *op)
{
    tfl::TransposeParams *p = nullptr;
    const cv_status status = planned_within(l, op, K_MAX_RANK, &p);
    if (status != CV_OK)
        return status;
    const uint32_t rank = l->graph->tensors[op->inputs[0]].rank;
    p->perm_count = static_cast<int8_t>(rank);
    for (uint32_t i = 0; i < rank; i++)
        p->perm[i] = integer(l->graph, op->inputs[1], i);
    return CV_OK;
}

cv_status run_transpose(const k_graph *g, const k_op *op)
{
    return by_width(g, op, [&](auto element) {
        using T = decltype(element);
        tfl::reference_ops::Transpose(*static_cast<const tfl::TransposeParams *>(op->plan),
                                      shape(g, op->inputs[0]), read<T>(g, op->inputs[0]),
                                      shape(g, op->output), write<T>(g, op->output));
    });
}

const Row movement_rows[] = {
    {BUILTIN_CONCATENATION, prepare_concatenation, run_concatenation},
    {BUILTIN_PAD, prepare_pad, run_pad},
    {BUILTIN_PADV2, prepare_pad, run_pad},
    {BUILTIN_SLICE, prepare_slice, run_slice},
    {BUILTIN_STRIDED_SLICE, prepare_strided_slice, run_strided_slice},
    {BUILTIN_TRANSPOSE, prepare_transpose, run_transpose},
};

} // namespace

const Rows movements = {movement_rows, sizeof movement_rows / sizeof movement_rows[0]};

} // namespace reference
