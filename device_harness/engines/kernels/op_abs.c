/* ABS, int8 or int16: |x - z_x|, requantized where the scales differ. Source: TFLM elementwise.cc. */
#include "channels.h"
#include "elements.h"
#include "fixedpoint.h"
#include "movement.h"
#include "operators.h"
#include "quantize.h"
#include "refuse.h"

struct plan {
    bool is_wide;
    bool rescales;
    int32_t multiplier;
    int32_t shift;
    int32_t z_in;
    int32_t z_out;
};

/* |x - z_x|, at most 2^15, to the output's scale; 0 <= . <= INT32_MAX */
static int32_t scaled(const struct plan *p, int32_t x)
{
    int32_t magnitude = x < p->z_in ? p->z_in - x : x - p->z_in;
    return p->rescales ? k_requantize(magnitude, p->multiplier, p->shift) : magnitude;
}

/* The largest magnitude stands for all: nothing grows where it decreases. */
static enum cv_status check_range(struct k_load *l, const struct plan *p)
{
    int32_t half = p->is_wide ? 32768 : 128;
    int32_t farthest = p->z_in >= 0 ? -half : half - 1;
    int64_t magnitude = p->z_in >= 0 ? p->z_in + half : half - 1 - p->z_in;
    int32_t left = p->shift > 0 ? p->shift : 0;
    if (magnitude * ((int64_t)1 << left) > INT32_MAX || (int64_t)scaled(p, farthest) + p->z_out > INT32_MAX)
        return k_refuse(l, CV_UNSUPPORTED, "a magnitude in the output's scale leaves int32");
    return CV_OK;
}

enum cv_status k_abs_prepare(struct k_load *l, struct k_op *op)
{
    const struct k_graph *g = l->graph;
    bool is_wide = g->tensors[op->output].type == K_INT16;
    enum cv_status status = k_check_activations(l, op->inputs[0], is_wide);
    if (status == CV_OK)
        status = k_check_activations(l, op->output, is_wide);
    if (status == CV_OK)
        status = k_check_same_shape(l, op->inputs[0], op->output);
    if (status == CV_OK)
        status = k_count_macs(l, g->tensors[op->output].n_elements);
    struct plan *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = p;
    float s_in = k_scale(g, op->inputs[0]);
    float s_out = k_scale(g, op->output);
    p->is_wide = is_wide;
    p->rescales = s_in != s_out;
    p->z_in = k_zero_point(g, op->inputs[0]);
    p->z_out = k_zero_point(g, op->output);
    if (p->rescales)
        status = k_quantize_multiplier(l, (double)s_in / (double)s_out, &p->multiplier, &p->shift);
    return status == CV_OK ? check_range(l, p) : status;
}

enum cv_status k_abs_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *x = k_read(g, op->inputs[0]);
    int8_t *y = k_write(g, op->output);
    for (uint32_t i = 0; i < g->tensors[op->output].n_elements; i++)
        if (p->is_wide)
            k_store_i16(y, i, k_clamp16(scaled(p, k_load_i16(x, i)) + p->z_out));
        else
            y[i] = k_clamp(scaled(p, x[i]) + p->z_out, INT8_MIN, INT8_MAX);
    return CV_OK;
}
