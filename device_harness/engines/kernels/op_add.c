/* ADD, int8, with broadcasting: both inputs brought to a common scale, added, brought to the output's.
 *
 * Three double-rounding multiplications. Source: TFLM add_common.cc and reference/integer_ops/add.h.
 */
#include "channels.h"
#include "fixedpoint.h"
#include "operators.h"
#include "refuse.h"
#include "schema.h"

#define LEFT_SHIFT 20

struct term {
    int32_t zero_point;
    int32_t multiplier;
    int32_t shift;
    uint32_t stride[K_MAX_RANK]; /* per output dimension; 0 where this input is broadcast */
};

struct plan {
    struct term a;
    struct term b;
    int32_t z_out;
    int32_t multiplier;
    int32_t shift;
    uint32_t rank;
    uint32_t dims[K_MAX_RANK];
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

static enum cv_status prepare_scales(struct k_load *l, const struct k_op *op, struct plan *p)
{
    const struct k_graph *g = l->graph;
    float s_a = k_scale(g, op->inputs[0]);
    float s_b = k_scale(g, op->inputs[1]);
    double twice = 2.0 * (double)(s_a > s_b ? s_a : s_b);
    double s_out = (double)(1 << LEFT_SHIFT) * (double)k_scale(g, op->output);
    p->a.zero_point = k_zero_point(g, op->inputs[0]);
    p->b.zero_point = k_zero_point(g, op->inputs[1]);
    p->z_out = k_zero_point(g, op->output);
    enum cv_status status = below_one(l, (double)s_a / twice, &p->a.multiplier, &p->a.shift);
    if (status == CV_OK)
        status = below_one(l, (double)s_b / twice, &p->b.multiplier, &p->b.shift);
    if (status == CV_OK)
        status = below_one(l, twice / s_out, &p->multiplier, &p->shift);
    return status;
}

/* Strides of one input along the output's dimensions, right-aligned as in numpy; false: not broadcastable. */
static bool prepare_strides(const struct k_tensor *in, const struct plan *p, struct term *term)
{
    uint32_t stride = 1;
    if (in->rank > p->rank)
        return false;
    for (uint32_t i = 0; i < p->rank; i++) {
        uint32_t at = p->rank - 1 - i;
        uint32_t size = i < in->rank ? (uint32_t)in->dims[in->rank - 1 - i] : 1u;
        if (size != 1 && size != p->dims[at])
            return false;
        term->stride[at] = size == 1 ? 0 : stride;
        stride *= size; /* <= n_elements <= 2^28 */
    }
    return true;
}

/* Every output dimension is the larger of the inputs'. */
static bool is_covered(const struct k_tensor *a, const struct k_tensor *b, const struct plan *p)
{
    for (uint32_t i = 0; i < p->rank; i++) {
        uint32_t at = p->rank - 1 - i;
        uint32_t size_a = i < a->rank ? (uint32_t)a->dims[a->rank - 1 - i] : 1u;
        uint32_t size_b = i < b->rank ? (uint32_t)b->dims[b->rank - 1 - i] : 1u;
        if (p->dims[at] != (size_a > size_b ? size_a : size_b))
            return false;
    }
    return true;
}

static enum cv_status prepare_shapes(struct k_load *l, const struct k_op *op, struct plan *p)
{
    const struct k_tensor *a = &l->graph->tensors[op->inputs[0]];
    const struct k_tensor *b = &l->graph->tensors[op->inputs[1]];
    const struct k_tensor *out = &l->graph->tensors[op->output];
    p->rank = out->rank;
    for (uint32_t i = 0; i < p->rank; i++)
        p->dims[i] = (uint32_t)out->dims[i];
    if (!prepare_strides(a, p, &p->a) || !prepare_strides(b, p, &p->b) || !is_covered(a, b, p))
        return k_refuse(l, CV_BAD_MODEL, "the shapes of inputs and output do not go together");
    return k_count_macs(l, out->n_elements);
}

enum cv_status k_add_prepare(struct k_load *l, struct k_op *op)
{
    enum cv_status status = k_check_int8(l, op->inputs[0]);
    if (status == CV_OK)
        status = k_check_int8(l, op->inputs[1]);
    if (status == CV_OK)
        status = k_check_int8(l, op->output);
    if (status != CV_OK)
        return status;
    struct plan *p = k_alloc(l, sizeof *p);
    if (p == NULL)
        return CV_NO_ARENA;
    op->plan = p;
    status = prepare_shapes(l, op, p);
    if (status == CV_OK)
        status = prepare_scales(l, op, p);
    if (status == CV_OK)
        status = k_activation_limits(l, fb_u8(&l->graph->file, op->options, ADD_ACTIVATION, 0), op->output,
                                     &p->limits);
    return status;
}

/* |x - z| * 2^20 <= 255 * 2^20 < 2^28, and the multiplier is at most a half. */
static int32_t scaled(const struct term *t, int8_t x)
{
    return k_requantize((x - t->zero_point) * (1 << LEFT_SHIFT), t->multiplier, t->shift);
}

static int8_t add(const struct plan *p, int8_t a, int8_t b)
{
    int32_t sum = scaled(&p->a, a) + scaled(&p->b, b); /* < 2^28 */
    int32_t y = k_requantize(sum, p->multiplier, p->shift) + p->z_out;
    return k_clamp(y, p->limits.lo, p->limits.hi);
}

/* The next position in row-major order. */
static void advance(const struct plan *p, uint32_t at[K_MAX_RANK])
{
    for (uint32_t i = p->rank; i > 0; i--) {
        if (++at[i - 1] < p->dims[i - 1])
            return;
        at[i - 1] = 0;
    }
}

static uint32_t offset(const struct plan *p, const struct term *t, const uint32_t at[K_MAX_RANK])
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < p->rank; i++)
        sum += at[i] * t->stride[i];
    return sum;
}

enum cv_status k_add_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *a = k_read(g, op->inputs[0]);
    const int8_t *b = k_read(g, op->inputs[1]);
    int8_t *y = k_write(g, op->output);
    uint32_t at[K_MAX_RANK] = {0};
    for (uint32_t i = 0; i < g->tensors[op->output].n_elements; i++) {
        y[i] = add(p, a[offset(p, &p->a, at)], b[offset(p, &p->b, at)]);
        advance(p, at);
    }
    return CV_OK;
}
