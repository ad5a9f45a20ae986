/* ADD, SUB and SQUARED_DIFFERENCE, int8 or int16: see sum.h.
 *
 * Source: TFLM add_common.cc, sub_common.cc, squared_difference.cc, reference/integer_ops/add.h, reference/sub.h.
 */
#include "sum.h"

#include "broadcast.h"
#include "elements.h"
#include "fixedpoint.h"
#include "quantize.h"
#include "refuse.h"
#include "schema.h"

#define LEFT_SHIFT 20
#define WIDE_LEFT_SHIFT 15
#define SQUARE_LEFT_SHIFT 7
#define WIDE_SQUARE_LEFT_SHIFT 0
#define MAX_SQUARE_SHIFT 1 /* see squared() */
#define MAX_WIDE_SQUARE_SHIFT 0

struct term {
    int32_t zero_point;
    int32_t multiplier;
    int32_t shift;
};

struct plan {
    struct k_grid grid;
    bool is_wide;
    bool is_squared;
    int32_t left_shift;
    struct term a;
    struct term b;
    int32_t sign;
    int32_t z_out;
    int32_t multiplier;
    int32_t shift;
    struct k_limits limits;
};

/* QuantizeMultiplierSmallerThanOneExp: TFLM stops when the multiplier is 1 or more. */
static enum cv_status below_one(struct k_load *l, double real, int32_t *multiplier, int32_t *shift)
{
    enum cv_status status = k_quantize_multiplier(l, real, multiplier, shift);
    if (status == CV_OK && (real >= 1.0 || *shift > 0))
        status = k_refuse(l, CV_UNSUPPORTED, "the output's scale is too small beside the inputs'");
    return status;
}

/* twice: twice the greater of the inputs' scales. */
static enum cv_status prepare_output(struct k_load *l, const struct k_op *op, struct plan *p, double twice)
{
    double s_out = (double)k_scale(l->graph, op->output);
    if (!p->is_squared)
        return below_one(l, twice / ((double)(1 << p->left_shift) * s_out), &p->multiplier, &p->shift);
    double divisor = (double)(1 << 2 * p->left_shift) * s_out;
    enum cv_status status = k_quantize_multiplier(l, twice * twice / divisor, &p->multiplier, &p->shift);
    if (status == CV_OK && p->shift > (p->is_wide ? MAX_WIDE_SQUARE_SHIFT : MAX_SQUARE_SHIFT))
        status = k_refuse(l, CV_UNSUPPORTED, "the output's scale is too small beside the inputs'");
    return status;
}

static enum cv_status prepare_scales(struct k_load *l, const struct k_op *op, struct plan *p)
{
    const struct k_graph *g = l->graph;
    float s_a = k_scale(g, op->inputs[0]);
    float s_b = k_scale(g, op->inputs[1]);
    double twice = 2.0 * (double)(s_a > s_b ? s_a : s_b);
    p->a.zero_point = k_zero_point(g, op->inputs[0]);
    p->b.zero_point = k_zero_point(g, op->inputs[1]);
    p->z_out = k_zero_point(g, op->output);
    enum cv_status status = below_one(l, (double)s_a / twice, &p->a.multiplier, &p->a.shift);
    if (status == CV_OK)
        status = below_one(l, (double)s_b / twice, &p->b.multiplier, &p->b.shift);
    if (status == CV_OK)
        status = prepare_output(l, op, p, twice);
    return status;
}

static enum cv_status prepare(struct k_load *l, struct k_op *op, struct plan *p, uint8_t activation)
{
    op->plan = p;
    uint32_t operands[] = {op->inputs[0], op->inputs[1], op->output};
    enum cv_status status = CV_OK;
    for (uint32_t i = 0; status == CV_OK && i < sizeof operands / sizeof operands[0]; i++)
        status = k_check_activations(l, operands[i], p->is_wide);
    if (status == CV_OK)
        status = k_broadcast_grid(l, op, &p->grid);
    if (status == CV_OK)
        status = prepare_scales(l, op, p);
    return status == CV_OK ? k_activation_limits(l, activation, op->output, &p->limits) : status;
}

static bool writes_wide(const struct k_load *l, const struct k_op *op)
{
    return l->graph->tensors[op->output].type == K_INT16;
}

enum cv_status k_sum_prepare(struct k_load *l, struct k_op *op, int32_t sign, uint32_t activation)
{
    struct plan *p = k_alloc(l, sizeof *p);
    if (p == NULL)
        return CV_NO_ARENA;
    p->sign = sign;
    p->is_squared = false;
    p->is_wide = writes_wide(l, op);
    p->left_shift = p->is_wide ? WIDE_LEFT_SHIFT : LEFT_SHIFT;
    return prepare(l, op, p, fb_u8(&l->graph->file, op->options, activation, 0));
}

enum cv_status k_square_prepare(struct k_load *l, struct k_op *op)
{
    struct plan *p = k_alloc(l, sizeof *p);
    if (p == NULL)
        return CV_NO_ARENA;
    p->sign = -1;
    p->is_squared = true;
    p->is_wide = writes_wide(l, op);
    p->left_shift = p->is_wide ? WIDE_SQUARE_LEFT_SHIFT : SQUARE_LEFT_SHIFT;
    return prepare(l, op, p, ACTIVATION_NONE);
}

/* |x - z| * 2^20 <= 255 * 2^20 < 2^28, or 2^15 * 2^15 = 2^30 (of a square: 255 * 2^7, or 2^15), and the multiplier is
 * at most a half. */
static int32_t scaled(const struct term *t, int32_t x, int32_t left_shift)
{
    return k_requantize((x - t->zero_point) * (1 << left_shift), t->multiplier, t->shift);
}

/* The difference is at most 255 * 2^7 = 32640, whose square is below 2^30 and leaves room for a shift by one; or 2^15, of
 * which it does not. */
static int32_t squared(const struct plan *p, int32_t difference)
{
    return p->is_squared ? difference * difference : difference;
}

static int32_t sum(const struct plan *p, int32_t a, int32_t b)
{
    int32_t raw = scaled(&p->a, a, p->left_shift) + p->sign * scaled(&p->b, b, p->left_shift); /* <= 2^30 */
    int32_t y = k_requantize(squared(p, raw), p->multiplier, p->shift) + p->z_out;
    return k_clamp32(y, p->limits.lo, p->limits.hi);
}

enum cv_status k_sum_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *a = k_read(g, op->inputs[0]);
    const int8_t *b = k_read(g, op->inputs[1]);
    int8_t *y = k_write(g, op->output);
    struct k_position at = {{0}, {0, 0}};
    for (uint32_t i = 0; i < g->tensors[op->output].n_elements; i++, k_grid_advance(&p->grid, &at)) {
        uint32_t from_a = (uint32_t)at.offset[0];
        uint32_t from_b = (uint32_t)at.offset[1];
        if (p->is_wide)
            k_store_i16(y, i, sum(p, k_load_i16(a, from_a), k_load_i16(b, from_b)));
        else
            y[i] = (int8_t)sum(p, a[from_a], b[from_b]);
    }
    return CV_OK;
}
