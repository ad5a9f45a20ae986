/* RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR by TFLite's reference kernels. */
#include "reference.h"

#include "tensorflow/lite/kernels/internal/reference/resize_bilinear.h"
#include "tensorflow/lite/kernels/internal/reference/resize_nearest_neighbor.h"

namespace reference
{

namespace
{

/* The output's height and width, aligned, and which positions stand for which. */
template <typename Params> struct Resize {
    Params params;
    int32_t size[2];
};

template <typename Params> cv_status prepare_resize(k_load *l, k_op *op, uint32_t aligned, uint32_t half)
{
    if (l->graph->tensors[op->output].type != K_INT8)
        return k_refuse(l, CV_UNSUPPORTED, "elements other than INT8");
    Resize<Params> *p = planned<Resize<Params>>(l, op);
    if (p == nullptr)
        return CV_NO_ARENA;
    p->params.align_corners = option_u8(l, op, aligned) != 0;
    p->params.half_pixel_centers = option_u8(l, op, half) != 0;
    for (uint32_t i = 0; i < 2; i++)
        p->size[i] = integer(l->graph, op->inputs[1], i);
    return CV_OK;
}

cv_status prepare_bilinear(k_load *l, k_op *op)
{
    return prepare_resize<tfl::ResizeBilinearParams>(l, op, BILINEAR_ALIGN_CORNERS,
                                                     BILINEAR_HALF_PIXEL_CENTERS);
}

cv_status run_bilinear(const k_graph *g, const k_op *op)
{
    const auto *p = static_cast<const Resize<tfl::ResizeBilinearParams> *>(op->plan);
    tfl::reference_ops::ResizeBilinearInteger(p->params, shape(g, op->inputs[0]),
                                              read<int8_t>(g, op->inputs[0]), tfl::RuntimeShape(1, 2),
                                              p->size, shape(g, op->output), write<int8_t>(g, op->output));
    return CV_OK;
}

cv_status prepare_nearest(k_load *l, k_op *op)
{
    return prepare_resize<tfl::ResizeNearestNeighborParams>(l, op, NEAREST_ALIGN_CORNERS,
                                                            NEAREST_HALF_PIXEL_CENTERS);
}

cv_status run_nearest(const k_graph *g, const k_op *op)
{
    const auto *p = static_cast<const Resize<tfl::ResizeNearestNeighborParams> *>(op->plan);
    tfl::reference_ops::ResizeNearestNeighbor(p->params, shape(g, op->inputs[0]),
                                              read<int8_t>(g, op->inputs[0]), tfl::RuntimeShape(1, 2),
                                              p->size, shape(g, op->output), write<int8_t>(g, op->output));
    return CV_OK;
}

const Row resize_rows[] = {
    {BUILTIN_RESIZE_BILINEAR, prepare_bilinear, run_bilinear},
    {BUILTIN_RESIZE_NEAREST_NEIGHBOR, prepare_nearest, run_nearest},
};

} // namespace

const Rows resizes = {resize_rows, sizeof resize_rows / sizeof resize_rows[0]};

} // namespace reference
