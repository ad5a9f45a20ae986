/* SOFTMAX over the last dimension, int8 to int8 with scale 1/256 and zero point -128, or to int16 with scale
 * 1/65536 and zero point -32768.
 *
 * gemmlowp fixed point throughout: differences in Q5.26, exponentials in Q0.31, their sum in Q12.19.
 * Source: TFLM softmax_common.cc, reference/softmax.h, common.h (GetReciprocal), gemmlowp fixedpoint.h.
 */
#include "channels.h"
#include "elements.h"
#include "exponential.h"
#include "fixedpoint.h"
#include "operators.h"
#include "refuse.h"
#include "schema.h"

#define DIFF_INTEGER_BITS 5
#define DIFF_FRACTION_BITS 26
#define SUM_INTEGER_BITS 12
#define MAX_DEPTH 511u /* 512 equal inputs reach sum >= 2^28 in Q12.19, at which TFLM stops */

struct plan {
    int32_t multiplier;
    int32_t left_shift; /* 0 ... 31 */
    int32_t diff_min;   /* smaller differences count as exp() = 0 */
    uint32_t rows;
    uint32_t depth;
    int32_t bits; /* of the output */
};

static enum cv_status prepare_scale(struct k_load *l, const struct k_op *op, struct plan *p)
{
    double beta = (double)fb_f32(&l->graph->file, op->options, SOFTMAX_BETA, 0.0f);
    double real = beta * (double)k_scale(l->graph, op->inputs[0]) * (double)(1 << DIFF_FRACTION_BITS);
    double largest = 2147483647.0;
    real = real > largest ? largest : real;
    if (!(real > 1.0))
        return k_refuse(l, CV_UNSUPPORTED, "beta x input scale is below 2^-26");
    int32_t shift = 0;
    int32_t multiplier = 0;
    if (real >= 1073741824.0) { /* up to 2^31 - 1: k_quantize_multiplier takes shifts to 30 only */
        enum cv_status status = k_quantize_multiplier(l, real / 4.0, &multiplier, &shift);
        if (status != CV_OK)
            return status;
        shift += 2;
    } else {
        enum cv_status status = k_quantize_multiplier(l, real, &multiplier, &shift);
        if (status != CV_OK)
            return status;
    }
    if (shift < 0 || shift > 31)
        return k_refuse(l, CV_UNSUPPORTED, "beta x input scale is out of range");
    p->multiplier = multiplier;
    p->left_shift = shift;
    p->diff_min = -(int32_t)((31u << DIFF_FRACTION_BITS) >> shift); /* 31 * 2^26 < 2^31 */
    return CV_OK;
}

/* TFLM takes an int16 output's scale for 1/65536 when it is within a thousandth; here a little less. */
static bool is_of_probabilities(float scale, bool is_wide)
{
    double of_one = (double)scale * 65536.0;
    return is_wide ? of_one > 0.999001 && of_one < 1.000999 : scale == 1.0f / 256.0f;
}

static enum cv_status check(struct k_load *l, const struct k_op *op)
{
    const struct k_graph *g = l->graph;
    const struct k_tensor *in = &g->tensors[op->inputs[0]];
    const struct k_tensor *out = &g->tensors[op->output];
    bool is_wide = out->type == K_INT16;
    enum cv_status status = k_check_int8(l, op->inputs[0]);
    if (status == CV_OK)
        status = k_check_quantized(l, op->output, is_wide);
    if (status != CV_OK)
        return status;
    if (!is_of_probabilities(k_scale(g, op->output), is_wide) ||
        k_zero_point(g, op->output) != (is_wide ? INT16_MIN : INT8_MIN))
        return k_refuse(l, CV_UNSUPPORTED, "the output's scale and zero point are not those of 0 ... 1");
    if (in->rank == 0 || in->rank != out->rank || in->n_elements != out->n_elements ||
        in->dims[in->rank - 1] != out->dims[out->rank - 1])
        return k_refuse(l, CV_BAD_MODEL, "input and output differ in shape");
    if ((uint32_t)in->dims[in->rank - 1] > MAX_DEPTH)
        return k_refuse(l, CV_UNSUPPORTED, "more than 511 entries: TFLM may stop on them");
    if (op->options.at == 0)
        return k_refuse(l, CV_BAD_MODEL, "no options");
    return CV_OK;
}

enum cv_status k_softmax_prepare(struct k_load *l, struct k_op *op)
{
    const struct k_tensor *in = &l->graph->tensors[op->inputs[0]];
    enum cv_status status = check(l, op);
    if (status != CV_OK)
        return status;
    struct plan *p = k_alloc(l, sizeof *p);
    if (p == NULL)
        return CV_NO_ARENA;
    op->plan = p;
    p->depth = (uint32_t)in->dims[in->rank - 1];
    p->rows = in->n_elements / p->depth;
    p->bits = l->graph->tensors[op->output].type == K_INT16 ? 16 : 8;
    status = prepare_scale(l, op, p);
    return status != CV_OK ? status : k_count_macs(l, (uint64_t)in->n_elements * 32u);
}

/* Needs x > 0. */
static int32_t leading_zeros(uint32_t x)
{
    int32_t n = 0;
    for (; (x & 0x80000000u) == 0; x <<= 1)
        n++;
    return n;
}

static int32_t exp_of_difference(const struct plan *p, int32_t diff)
{
    return k_exp_negative(k_high_mul(k_wrap_shl(diff, p->left_shift), p->multiplier), DIFF_INTEGER_BITS);
}

/* value - 2^(bits - 1), at most the largest of so many bits; 0 <= value */
static void store(const struct plan *p, int8_t *y, uint32_t i, int32_t value)
{
    int32_t half = 1 << (p->bits - 1);
    int32_t code = value < 2 * half ? value - half : half - 1;
    if (p->bits == 16)
        k_store_i16(y, i, code);
    else
        y[i] = (int8_t)code;
}

static void softmax_row(const struct plan *p, const int8_t *x, int8_t *y)
{
    int32_t max = INT8_MIN;
    int32_t sum = 0; /* Q12.19: 2^19 <= sum <= 511 * 2^19 < 2^28 */
    for (uint32_t i = 0; i < p->depth; i++)
        max = x[i] > max ? x[i] : max;
    for (uint32_t i = 0; i < p->depth; i++)
        if (x[i] - max >= p->diff_min)
            sum += k_round_shr(exp_of_difference(p, x[i] - max), SUM_INTEGER_BITS);
    int32_t zeros = leading_zeros((uint32_t)sum); /* 4 ... 12 */
    int32_t scale = k_one_over_one_plus(cv_as_i32(((uint32_t)sum << zeros) - 0x80000000u));
    int32_t exponent = SUM_INTEGER_BITS - zeros + 31 - p->bits; /* 23 ... 31, or 15 ... 23 */
    for (uint32_t i = 0; i < p->depth; i++) {
        int32_t value = 0;
        if (x[i] - max >= p->diff_min)
            value = k_round_shr(k_high_mul(scale, exp_of_difference(p, x[i] - max)), exponent);
        store(p, y, i, value);
    }
}

enum cv_status k_softmax_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *x = k_read(g, op->inputs[0]);
    int8_t *y = k_write(g, op->output);
    for (uint32_t row = 0; row < p->rows; row++)
        softmax_row(p, x + row * p->depth, y + row * p->depth * (uint32_t)(p->bits / 8));
    return CV_OK;
}
