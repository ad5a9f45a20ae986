/* Our graph as TFLite's reference kernels take it, and the numbers that TFLM makes of it when it prepares.
 *
 * The kernels are those of tensorflow/lite/kernels/internal/reference, which are headers. What TFLM keeps in
 * .cc files and not in headers is written here and in reference.cc from its description alone: multipliers by
 * frexp and round, activation limits by a float32 division. Nothing here is shared with quantize.c and
 * fixedpoint.h of the engine, which this is to be compared with.
 */
#ifndef COVERIFY_REFERENCE_H
#define COVERIFY_REFERENCE_H

#include "tensorflow/lite/kernels/internal/common.h"
#include "tensorflow/lite/kernels/padding.h"

extern "C" {
#include "graph.h"
#include "refuse.h"
#include "schema.h"
}

namespace reference
{

namespace tfl = tflite_micro;

/* real = multiplier * 2^(shift - 31). Source: QuantizeMultiplier. */
struct Multiplier {
    int32_t value;
    int shift;
};

Multiplier quantized(double real);

/* The largest |x| that a fixed-point function of that many integer bits tells apart after << shift.
 * Source: CalculateInputRadius. */
int32_t input_radius(int integer_bits, int left_shift);

/* Source: CalculateActivationRangeQuantized. */
struct Limits {
    int32_t lo;
    int32_t hi;
};

Limits limits(const k_load *l, const k_op *op, uint32_t activation_field);

/* The scale as TFLM computes with it since autumn 2026: in double. */
double scale(const k_graph *g, uint32_t tensor, uint32_t channel = 0);
int32_t zero_point(const k_graph *g, uint32_t tensor);

tfl::RuntimeShape shape(const k_graph *g, uint32_t tensor);

/* Element i of a constant INT32 tensor. */
int32_t integer(const k_graph *g, uint32_t tensor, uint32_t i);

template <typename T> const T *read(const k_graph *g, uint32_t tensor)
{
    return reinterpret_cast<const T *>(k_read(g, tensor));
}

template <typename T> T *write(const k_graph *g, uint32_t tensor)
{
    return reinterpret_cast<T *>(k_write(g, tensor));
}

inline uint8_t option_u8(const k_load *l, const k_op *op, uint32_t field, uint8_t otherwise = 0)
{
    return fb_u8(&l->graph->file, op->options, field, otherwise);
}

inline int32_t option_i32(const k_load *l, const k_op *op, uint32_t field, int32_t otherwise = 0)
{
    return fb_i32(&l->graph->file, op->options, field, otherwise);
}

/* n zeroed elements of the arena; NULL: it is full, and the load has been refused. */
template <typename T> T *allocated(k_load *l, uint64_t n = 1)
{
    return static_cast<T *>(k_alloc(l, n * sizeof(T)));
}

/* The same, as what `run` finds in op->plan. */
template <typename T> T *planned(k_load *l, k_op *op)
{
    T *plan = allocated<T>(l);
    op->plan = plan;
    return plan;
}

/* The bias, copied since a file may hold it unaligned; NULL: there is none, or the arena is full. */
const int32_t *bias(k_load *l, const k_op *op, uint32_t ordinal);

/* How much of a window, whose strides p has, lies before the first row and column that it slides over. */
template <typename Params>
void prepare_padding(const k_tensor *over, uint8_t padding, int filter_h, int filter_w, int dilation_h,
                     int dilation_w, Params *p)
{
    int height = 0, width = 0;
    const TfLitePaddingValues before = tfl::ComputePaddingHeightWidth(
        p->stride_height, p->stride_width, dilation_h, dilation_w, over->dims[1], over->dims[2], filter_h,
        filter_w, padding == PADDING_SAME ? kTfLitePaddingSame : kTfLitePaddingValid, &height, &width);
    p->padding_values.height = static_cast<int16_t>(before.height);
    p->padding_values.width = static_cast<int16_t>(before.width);
}

/* The limits of the fused activation. */
template <typename Params>
void prepare_limits(const k_load *l, const k_op *op, uint32_t activation_field, Params *p)
{
    const Limits range = limits(l, op, activation_field);
    p->quantized_activation_min = range.lo;
    p->quantized_activation_max = range.hi;
}

/* One operator: `prepare` comes after the engine's own, which has refused what is not supported, and leaves
 * its plan instead; `run` calls the kernel. */
struct Row {
    uint32_t builtin;
    cv_status (*prepare)(k_load *l, k_op *op);
    cv_status (*run)(const k_graph *g, const k_op *op);
};

struct Rows {
    const Row *rows;
    uint32_t n;
};

extern const Rows elementwise; /* two inputs, broadcast */
extern const Rows layers;      /* convolutions and dense layers */
extern const Rows movements;   /* elements are moved, or fill an edge */
extern const Rows pointwise;   /* functions of one element */
extern const Rows reductions;  /* pools, means, SOFTMAX */
extern const Rows resizes;

} // namespace reference

#endif
