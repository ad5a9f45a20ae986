/* HARD_SWISH, int8: x * relu6(x + 3) / 6 in TFLM's pipeline of int16 values and 16-bit multipliers.
 *
 * Source: TFLM hard_swish_common.cc, reference/hard_swish.h, gemmlowp fixedpoint.h (int16).
 */
#include "fixedpoint.h"
#include "lookup.h"
#include "operators.h"
#include "quantize.h"
#include "refuse.h"

struct factor {
    int32_t multiplier; /* 15 bits */
    int32_t shift;
};

/* Source: DownScaleInt32ToInt16Multiplier. */
static enum cv_status prepare_factor(struct k_load *l, double real, struct factor *f)
{
    int32_t wide = 0;
    enum cv_status status = k_quantize_multiplier(l, real, &wide, &f->shift);
    f->multiplier = wide >= INT32_MAX - (1 << 15) ? (1 << 15) - 1 : (wide + (1 << 15)) >> 16;
    return status;
}

/* As stored in an int16. */
static int32_t wrapped(int32_t x)
{
    return (int32_t)(((uint32_t)x + 0x8000u) & 0xFFFFu) - 0x8000;
}

/* a * b / 2^15 rounded, ties up; |a| < 2^15, 0 <= b < 2^15. */
static int32_t high_product(int32_t a, int32_t b)
{
    return k_shr(a * b + (1 << 14), 15);
}

/* RoundingDivideByPOT on an int16, whose mask wraps from an exponent of 16 on. */
static int32_t round_shr(int32_t x, int32_t by)
{
    uint32_t mask = by < 16 ? ((uint32_t)1 << by) - 1u : 0xFFFFFFFFu;
    int32_t remainder = cv_as_i32((uint32_t)x & mask);
    int32_t threshold = k_shr(cv_as_i32(mask), 1) + (x < 0 ? 1 : 0);
    return k_shr(x, by) + (remainder > threshold ? 1 : 0);
}

/* -32768 ... 32767 for -3 ... 3 */
static int32_t gate(int32_t value, const struct factor *f)
{
    if (f->shift <= 0)
        return round_shr(high_product(value, f->multiplier), -f->shift);
    int32_t shifted = f->shift > 16 ? k_clamp16(value == 0  ? 0
                                                : value < 0 ? INT32_MIN
                                                            : INT32_MAX)
                                    : k_clamp16(value * (1 << (f->shift - 1)));
    return k_clamp16(2 * high_product(shifted, f->multiplier));
}

static int8_t hard_swish(int32_t centred, const struct factor *reluish, const struct factor *output,
                         int32_t z_out)
{
    int32_t value = centred * 128;                                         /* |centred| <= 255 */
    int32_t opening = k_shr(wrapped(gate(value, reluish)) + (1 << 15), 1); /* 0 ... 32767 */
    int32_t product = opening * high_product(value, output->multiplier);   /* < 2^30 */
    int32_t scaled = round_shr(product / (1 << 15), -output->shift);
    return k_clamp(wrapped(scaled + z_out), INT8_MIN, INT8_MAX);
}

enum cv_status k_hard_swish_prepare(struct k_load *l, struct k_op *op)
{
    struct k_lookup *table = NULL;
    struct factor output = {0, 0};
    struct factor reluish = {0, 0};
    enum cv_status status = k_lookup_prepare(l, op, &table);
    if (status != CV_OK)
        return status;
    double hires = (double)k_scale(l->graph, op->inputs[0]) / 128.0;
    status = prepare_factor(l, hires / (double)k_scale(l->graph, op->output), &output);
    if (status == CV_OK)
        status = prepare_factor(l, hires / (3.0 / 32768.0), &reluish);
    if (status == CV_OK && output.shift > 0)
        status = k_refuse(l, CV_UNSUPPORTED, "the output's scale is below a 128th of the input's");
    if (status != CV_OK)
        return status;
    int32_t z_in = k_zero_point(l->graph, op->inputs[0]);
    int32_t z_out = k_zero_point(l->graph, op->output);
    for (int32_t x = INT8_MIN; x <= INT8_MAX; x++)
        table->values[x + 128] = hard_swish(x - z_in, &reluish, &output, z_out);
    return CV_OK;
}
