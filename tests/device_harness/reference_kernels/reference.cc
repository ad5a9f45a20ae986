/* The operator table of the engine, with TFLite's reference kernels in it: see reference.h.
 *
 * The linker puts __wrap_k_operator_find in the place of k_operator_find (--wrap), so that everything else in
 * the image is the product's own object: reading the file, the arena, link and TRACE.
 */
#include "reference.h"

#include <cmath>

extern "C" {
#include "bytes.h"
#include "operators.h"

const k_operator *__real_k_operator_find(uint32_t builtin);
const k_operator *__wrap_k_operator_find(uint32_t builtin);
const k_operator *__wrap_k_operator_find_custom(const uint8_t *name, uint32_t n);

/* A check of TFLite's that fails is a fault, which the device reports with function and line. */
[[noreturn]] void abort()
{
    __builtin_trap();
}

[[noreturn]] void __assert_func(const char *, int, const char *, const char *)
{
    __builtin_trap();
}
}

namespace tflite_micro
{

#if !TFLITE_SINGLE_ROUNDING
/* In double rounding, TFLM's default, common.h declares it and defines its two cases. */
int32_t MultiplyByQuantizedMultiplier(int32_t x, int32_t multiplier, int shift)
{
    return shift > 0 ? MultiplyByQuantizedMultiplierGreaterThanOne(x, multiplier, shift)
                     : MultiplyByQuantizedMultiplierSmallerThanOneExp(x, multiplier, shift);
}
#endif

} // namespace tflite_micro

namespace reference
{

Multiplier quantized(double real)
{
    int shift = 0;
    int64_t value = static_cast<int64_t>(std::round(std::frexp(real, &shift) * 2147483648.0));
    if (value == int64_t{1} << 31) {
        value /= 2;
        shift++;
    }
    if (shift < -31) {
        value = 0;
        shift = 0;
    }
#if TFLITE_SINGLE_ROUNDING
    if (shift > 30) {
        value = INT32_MAX;
        shift = 30;
    }
#endif
    return {static_cast<int32_t>(value), shift};
}

int32_t input_radius(int integer_bits, int left_shift)
{
    const double largest =
        ((1 << integer_bits) - 1.0) * static_cast<double>(int64_t{1} << (31 - integer_bits));
    return left_shift > 62 ? 0
                           : static_cast<int32_t>(largest / static_cast<double>(int64_t{1} << left_shift));
}

double scale(const k_graph *g, uint32_t tensor, uint32_t channel)
{
    const struct fb_vector scales = g->tensors[tensor].scales;
    return fb_vector_f32(&g->file, scales, scales.n > 1 ? channel : 0);
}

int32_t zero_point(const k_graph *g, uint32_t tensor)
{
    return static_cast<int32_t>(fb_vector_u64(&g->file, g->tensors[tensor].zero_points, 0));
}

Limits limits(const k_load *l, const k_op *op, uint32_t activation_field)
{
    const float s = static_cast<float>(scale(l->graph, op->output));
    const int32_t zero = zero_point(l->graph, op->output);
    const auto code = [&](float real) { return zero + static_cast<int32_t>(std::round(real / s)); };
    switch (option_u8(l, op, activation_field)) {
    case ACTIVATION_RELU: return {std::max<int32_t>(INT8_MIN, code(0.0f)), INT8_MAX};
    case ACTIVATION_RELU6:
        return {std::max<int32_t>(INT8_MIN, code(0.0f)), std::min<int32_t>(INT8_MAX, code(6.0f))};
    case ACTIVATION_RELU_N1_TO_1:
        return {std::max<int32_t>(INT8_MIN, code(-1.0f)), std::min<int32_t>(INT8_MAX, code(1.0f))};
    default: return {INT8_MIN, INT8_MAX};
    }
}

tfl::RuntimeShape shape(const k_graph *g, uint32_t tensor)
{
    return tfl::RuntimeShape(g->tensors[tensor].rank, g->tensors[tensor].dims);
}

int32_t integer(const k_graph *g, uint32_t tensor, uint32_t i)
{
    return cv_as_i32(cv_load_u32(g->tensors[tensor].constant + 4u * i));
}

const int32_t *bias(k_load *l, const k_op *op, uint32_t ordinal)
{
    if (op->n_inputs <= ordinal || op->inputs[ordinal] == K_NONE)
        return nullptr;
    const uint32_t tensor = op->inputs[ordinal], n = l->graph->tensors[tensor].n_elements;
    int32_t *copy = allocated<int32_t>(l, n);
    for (uint32_t i = 0; copy != nullptr && i < n; i++)
        copy[i] = integer(l->graph, tensor, i);
    return copy;
}

namespace
{

const Rows *const tables[] = {&elementwise, &layers, &movements, &pointwise, &reductions, &resizes};

/* Operators whose output holds their input's bytes, or its shape: no header has a kernel for them. */
const uint32_t ours[] = {BUILTIN_RESHAPE, BUILTIN_EXPAND_DIMS, BUILTIN_SQUEEZE, BUILTIN_SHAPE};

const Row *row_of(uint32_t builtin)
{
    for (const Rows *table : tables)
        for (uint32_t i = 0; i < table->n; i++)
            if (table->rows[i].builtin == builtin)
                return &table->rows[i];
    return nullptr;
}

/* The operator that is being read: it is prepared before the next one is found, and has a copy of its own
 * from then on. A table of all of them would not fit into the smallest part's memory. */
k_operator at_hand;

cv_status prepare(k_load *l, k_op *op)
{
    const k_operator *own = __real_k_operator_find(at_hand.builtin);
    k_operator *kind = allocated<k_operator>(l);
    if (kind == nullptr)
        return CV_NO_ARENA;
    *kind = at_hand;
    op->kind = kind;
    const cv_status status = own->prepare(l, op);
    op->plan = nullptr;
    return status == CV_OK ? row_of(kind->builtin)->prepare(l, op) : status;
}

} // namespace

} // namespace reference

const k_operator *__wrap_k_operator_find(uint32_t builtin)
{
    const k_operator *own = __real_k_operator_find(builtin);
    for (uint32_t kept : reference::ours)
        if (kept == builtin)
            return own;
    const reference::Row *row = reference::row_of(builtin);
    if (own == nullptr || row == nullptr)
        return nullptr;
    reference::at_hand = *own;
    reference::at_hand.prepare = reference::prepare;
    reference::at_hand.run = row->run;
    return &reference::at_hand;
}

const k_operator *__wrap_k_operator_find_custom(const uint8_t *, uint32_t)
{
    return nullptr;
}
