/* SVDF, int8 to int8, with a state of int16 or int8: features of the last `memory` inputs, weighted over time.
 *
 *   feature = wrap(clamp(requantize(sum w (x - z_x))) + z_s), the newest of its filter's row in the state
 *   y = clamp(requantize(bias + sum over rank and time of (state - z_s) t) + z_y)
 *
 * The fused activation and the weights' zero points are ignored, a feature that z_s pushes out of an int8 state
 * wraps, as in TFLM. Where a sum leaves int32, which TFLM leaves undefined, the run ends with CV_ENGINE.
 * Source: TFLM svdf_common.cc, EvalIntegerSvdfReference.
 */
#include <string.h>

#include "channels.h"
#include "fixedpoint.h"
#include "operators.h"
#include "refuse.h"
#include "schema.h"
#include "state.h"

#define MAX_FILTERS 0x10000

enum ends { X = 0, FEATURES = 1, TIMES = 2, BIAS = 3, STATE = 4 };

struct plan {
    const int8_t *features; /* n_filters x n_in */
    const uint8_t *times;   /* n_filters x n_memory, of the state's type */
    const uint8_t *bias;    /* INT32, n_filters / rank */
    bool wide;              /* the state is INT16, else INT8 */
    uint32_t batches;
    uint32_t n_in;
    uint32_t n_filters;
    uint32_t n_memory;
    uint32_t rank;
    int32_t z_x;
    int32_t z_s;
    int32_t z_y;
    int32_t feature_multiplier;
    int32_t feature_shift;
    int32_t multiplier;
    int32_t shift;
};

static enum cv_status check_types(struct k_load *l, const struct k_op *op, struct plan *p)
{
    const struct k_graph *g = l->graph;
    p->wide = g->tensors[op->inputs[TIMES]].type == K_INT16;
    enum cv_status status = k_check_int8(l, op->inputs[X]);
    if (status == CV_OK)
        status = k_check_int8(l, op->inputs[FEATURES]);
    if (status == CV_OK)
        status = k_check_quantized(l, op->inputs[TIMES], p->wide);
    if (status == CV_OK)
        status = k_check_quantized(l, op->inputs[STATE], p->wide);
    if (status == CV_OK)
        status = k_check_int8(l, op->output);
    for (uint32_t i = FEATURES; status == CV_OK && i <= BIAS; i++)
        if (g->tensors[op->inputs[i]].constant == NULL)
            status =
                k_refuse_tensor(l, CV_UNSUPPORTED, op->inputs[i], "the weights or the bias are computed");
    if (status == CV_OK && g->tensors[op->inputs[BIAS]].type != K_INT32)
        status = k_refuse_tensor(l, CV_UNSUPPORTED, op->inputs[BIAS], "the bias is not INT32");
    return status;
}

static enum cv_status check_shapes(struct k_load *l, const struct k_op *op, struct plan *p)
{
    const struct k_tensor *t = l->graph->tensors;
    const struct k_tensor *in = &t[op->inputs[X]];
    const struct k_tensor *features = &t[op->inputs[FEATURES]];
    const struct k_tensor *times = &t[op->inputs[TIMES]];
    const struct k_tensor *state = &t[op->inputs[STATE]];
    const struct k_tensor *out = &t[op->output];
    int32_t rank = fb_i32(&l->graph->file, op->options, SVDF_RANK, 0);
    if (in->rank != 2 || features->rank != 2 || times->rank != 2 || state->rank != 2 || out->rank != 2)
        return k_refuse(l, CV_UNSUPPORTED, "a tensor that is no matrix");
    if (rank < 1 || features->dims[0] % rank != 0 || features->dims[0] > MAX_FILTERS)
        return k_refuse(l, CV_UNSUPPORTED, "the rank or the number of filters");
    if (times->dims[0] != features->dims[0] || features->dims[1] != in->dims[1] ||
        state->dims[0] != in->dims[0] || out->dims[0] != in->dims[0] ||
        (uint32_t)state->dims[1] != times->n_elements || out->dims[1] != features->dims[0] / rank ||
        t[op->inputs[BIAS]].n_elements != (uint32_t)out->dims[1])
        return k_refuse(l, CV_UNSUPPORTED, "shapes that do not go together");
    p->batches = (uint32_t)in->dims[0];
    p->n_in = (uint32_t)in->dims[1];
    p->n_filters = (uint32_t)features->dims[0];
    p->n_memory = (uint32_t)times->dims[1];
    p->rank = (uint32_t)rank;
    return k_count_macs(l, (uint64_t)p->batches * p->n_filters * ((uint64_t)p->n_in + p->n_memory));
}

/* TFLM refuses a bias of another scale than the weighted state's. */
static enum cv_status check_bias_scale(struct k_load *l, const struct k_op *op, double product)
{
    const struct k_tensor *bias = &l->graph->tensors[op->inputs[BIAS]];
    bool has_scale = k_is_quantized(bias);
    double difference = (has_scale ? (double)k_scale(l->graph, op->inputs[BIAS]) : 0.0) - product;
    if (!(difference < 1e-5 && difference > -1e-5))
        return k_refuse_tensor(l, CV_UNSUPPORTED, op->inputs[BIAS],
                               "has not the scale of state times weights");
    return CV_OK;
}

/* In double, as TFLM since autumn 2026. */
static enum cv_status prepare_scales(struct k_load *l, const struct k_op *op, struct plan *p)
{
    const struct k_graph *g = l->graph;
    double s_s = (double)k_scale(g, op->inputs[STATE]);
    double s_t = (double)k_scale(g, op->inputs[TIMES]);
    double feature = (double)k_scale(g, op->inputs[X]) * (double)k_scale(g, op->inputs[FEATURES]) / s_s;
    p->z_x = k_zero_point(g, op->inputs[X]);
    p->z_s = k_zero_point(g, op->inputs[STATE]);
    p->z_y = k_zero_point(g, op->output);
    enum cv_status status = check_bias_scale(l, op, s_s * s_t);
    if (status == CV_OK)
        status = k_quantize_multiplier(l, feature, &p->feature_multiplier, &p->feature_shift);
    if (status == CV_OK)
        status =
            k_quantize_multiplier(l, s_s * s_t / (double)k_scale(g, op->output), &p->multiplier, &p->shift);
    return status;
}

/* sum |w| * max |x - z_x| fits int32: so does every partial sum of a feature */
static enum cv_status check_features(struct k_load *l, const struct plan *p)
{
    uint32_t largest = (uint32_t)(p->z_x < 0 ? 127 - p->z_x : p->z_x + 128);
    for (uint32_t f = 0; f < p->n_filters; f++) {
        uint64_t sum = 0; /* <= 2^28 * 128 */
        for (uint32_t i = 0; i < p->n_in; i++) {
            int32_t w = p->features[f * p->n_in + i];
            sum += (uint64_t)(w < 0 ? -w : w);
        }
        if (sum * largest > INT32_MAX)
            return k_refuse_number(l, CV_UNSUPPORTED, "accumulator may overflow int32: filter", f);
    }
    return CV_OK;
}

enum cv_status k_svdf_prepare(struct k_load *l, struct k_op *op)
{
    struct plan *p = k_alloc(l, sizeof *p);
    if (p == NULL)
        return CV_NO_ARENA;
    op->plan = p;
    enum cv_status status = check_types(l, op, p);
    if (status == CV_OK)
        status = check_shapes(l, op, p);
    if (status == CV_OK)
        status = prepare_scales(l, op, p);
    if (status != CV_OK)
        return status;
    p->features = k_read(l->graph, op->inputs[FEATURES]);
    p->times = l->graph->tensors[op->inputs[TIMES]].constant;
    p->bias = l->graph->tensors[op->inputs[BIAS]].constant;
    status = check_features(l, p);
    return status == CV_OK ? k_keep(l, op->inputs[STATE]) : status;
}

/* Element i of the state or of the time weights. */
static int32_t element(const uint8_t *p, uint32_t i, bool wide)
{
    int32_t x = wide ? cv_load_u16(p + 2u * i) : p[i];
    int32_t half = wide ? 0x8000 : 0x80;
    return x < half ? x : x - 2 * half;
}

/* Whether x times 2^shift, for a shift to the left, stays within int32. */
static bool is_within(int64_t x, int32_t shift)
{
    int32_t last = INT32_MAX >> (shift > 0 ? shift : 0);
    return x <= last && x >= -(int64_t)last;
}

/* The row of one filter, oldest feature first, forgets it and takes the newest at its end. */
static bool push_feature(const struct plan *p, uint32_t filter, const int8_t *x, uint8_t *row)
{
    uint32_t width = p->wide ? 2u : 1u;
    const int8_t *w = p->features + filter * p->n_in;
    int32_t acc = 0;
    for (uint32_t i = 0; i < p->n_in; i++)
        acc += w[i] * (x[i] - p->z_x); /* check_features */
    if (!is_within(acc, p->feature_shift))
        return false;
    int32_t half = p->wide ? 0x8000 : 0x80;
    int32_t scaled = k_requantize(acc, p->feature_multiplier, p->feature_shift);
    scaled = scaled < -half ? -half : scaled > half - 1 ? half - 1 : scaled;
    uint32_t newest = (uint32_t)(scaled + p->z_s); /* wraps when it is stored */
    memmove(row, row + width, (p->n_memory - 1u) * width);
    row += (p->n_memory - 1u) * width;
    row[0] = (uint8_t)(newest & 0xFFu);
    if (p->wide)
        row[1] = (uint8_t)(newest >> 8 & 0xFFu);
    return true;
}

/* Adds a filter's features, weighted over time, to *total; false: a sum left int32. */
static bool add_over_time(const struct plan *p, uint32_t filter, const uint8_t *row, int64_t *total)
{
    const uint8_t *times = p->times + filter * p->n_memory * (p->wide ? 2u : 1u);
    int64_t sum = 0;
    for (uint32_t j = 0; j < p->n_memory; j++) {
        sum += (int64_t)(element(row, j, p->wide) - p->z_s) * element(times, j, p->wide); /* each < 2^32 */
        if (!is_within(sum, 0))
            return false;
    }
    *total += sum;
    return is_within(*total, 0);
}

static bool run_unit(const struct plan *p, uint32_t unit, const int8_t *x, uint8_t *state, int8_t *y)
{
    uint32_t row_bytes = p->n_memory * (p->wide ? 2u : 1u);
    int64_t total = cv_as_i32(cv_load_u32(p->bias + 4u * unit));
    for (uint32_t f = unit * p->rank; f < (unit + 1u) * p->rank; f++)
        if (!push_feature(p, f, x, state + f * row_bytes) ||
            !add_over_time(p, f, state + f * row_bytes, &total))
            return false;
    if (p->shift > 0 && !is_within(total, p->shift) && total != -((int64_t)1 << (31 - p->shift)))
        return false;
    int64_t code = (int64_t)k_requantize((int32_t)total, p->multiplier, p->shift) + p->z_y;
    *y = (int8_t)(code < INT8_MIN ? INT8_MIN : code > INT8_MAX ? INT8_MAX : code);
    return true;
}

enum cv_status k_svdf_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *x = k_read(g, op->inputs[X]);
    uint8_t *state = g->tensors[op->inputs[STATE]].data;
    int8_t *y = k_write(g, op->output);
    uint32_t batch_bytes = g->tensors[op->inputs[STATE]].n_bytes / p->batches;
    for (uint32_t b = 0; b < p->batches; b++, x += p->n_in, state += batch_bytes)
        for (uint32_t unit = 0; unit < p->n_filters / p->rank; unit++)
            if (!run_unit(p, unit, x, state, y++))
                return CV_ENGINE;
    return CV_OK;
}
