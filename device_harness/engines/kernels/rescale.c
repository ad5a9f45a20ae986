/* Requantization element by element: see rescale.h. Source: TFLM reference/requantize.h, reference/leaky_relu.h. */
#include "rescale.h"

#include "channels.h"
#include "elements.h"
#include "fixedpoint.h"
#include "movement.h"
#include "quantize.h"
#include "refuse.h"

bool k_rescaled(const struct k_rescale *p, int32_t x, int32_t *y)
{
    const struct k_rescale_side *side = x < p->z_in ? &p->below : &p->above;
    int64_t centred = (int64_t)x - p->z_in;                                        /* |centred| < 2^32 */
    int64_t shifted = centred * (side->shift > 0 ? (int64_t)1 << side->shift : 1); /* shift <= 30 */
    if (shifted > INT32_MAX || shifted < INT32_MIN)
        return false;
    int64_t sum =
        (int64_t)side->sign * k_requantize((int32_t)centred, side->multiplier, side->shift) + p->z_out;
    *y = (int32_t)(sum < INT32_MIN ? INT32_MIN : sum > INT32_MAX ? INT32_MAX : sum);
    return *y == sum;
}

static int32_t load(const int8_t *p, uint32_t i, uint8_t type)
{
    switch (type) {
    case K_INT16: return k_load_i16(p, i);
    case K_INT32: return k_load_i32(p, i);
    case K_UINT8: return ((const uint8_t *)p)[i];
    default: return p[i];
    }
}

static void store(int8_t *p, uint32_t i, uint8_t type, int32_t y)
{
    switch (type) {
    case K_INT16: k_store_i16(p, i, k_clamp16(y)); break;
    case K_INT32: k_store_u32(p, i, (uint32_t)y); break;
    case K_UINT8: ((uint8_t *)p)[i] = (uint8_t)k_clamp32(y, 0, UINT8_MAX); break;
    default: p[i] = k_clamp(y, INT8_MIN, INT8_MAX);
    }
}

enum cv_status k_rescale_prepare(struct k_load *l, struct k_op *op, struct k_rescale **plan)
{
    const struct k_graph *g = l->graph;
    enum cv_status status = k_check_same_shape(l, op->inputs[0], op->output);
    if (status == CV_OK)
        status = k_count_macs(l, g->tensors[op->output].n_elements);
    struct k_rescale *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    p->from = g->tensors[op->inputs[0]].type;
    p->to = g->tensors[op->output].type;
    p->z_in = k_zero_point(g, op->inputs[0]);
    p->z_out = k_zero_point(g, op->output);
    op->plan = p;
    *plan = p;
    return CV_OK;
}

enum cv_status k_rescale_check(struct k_load *l, const struct k_rescale *p)
{
    int32_t half = p->from == K_INT16 ? 32768 : 128;
    const int32_t ends[] = {-half, half - 1, p->z_in, p->z_in > -half ? p->z_in - 1 : p->z_in};
    int32_t y;
    for (uint32_t i = 0; i < sizeof ends / sizeof ends[0]; i++) /* each side is monotone */
        if (!k_rescaled(p, ends[i], &y))
            return k_refuse(l, CV_UNSUPPORTED, "a value times its left shift leaves int32");
    return CV_OK;
}

enum cv_status k_rescale_run(const struct k_graph *g, const struct k_op *op)
{
    const struct k_rescale *p = op->plan;
    const int8_t *x = k_read(g, op->inputs[0]);
    int8_t *to = k_write(g, op->output);
    for (uint32_t i = 0; i < g->tensors[op->output].n_elements; i++) {
        int32_t y;
        if (!k_rescaled(p, load(x, i, p->from), &y))
            return CV_ENGINE;
        store(to, i, p->to, y);
    }
    return CV_OK;
}
