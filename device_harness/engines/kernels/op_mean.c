/* MEAN, SUM, REDUCE_MAX and REDUCE_MIN, int8, and REDUCE_ALL over constant axes: y = requantize(sum (x - z_x)) + z_y, the division by the
 * number of elements being folded into the multiplier, truncated; or the largest or least x
 * (of BOOL: whether all hold).
 *
 * Source: TFLM reduce_common.cc, reference/reduce.h (QuantizedMeanOrSum, ReduceGeneric).
 */
#include "channels.h"
#include "fixedpoint.h"
#include "movement.h"
#include "operators.h"
#include "quantize.h"
#include "refuse.h"

struct plan {
    struct k_grid kept;    /* a position of the output; stride[0]: in the input */
    struct k_grid reduced; /* what is added up, or compared, there */
    int32_t zero_sum;      /* zero point times number of elements */
    int32_t z_out;
    int32_t multiplier;
    int32_t shift;
};

/* Bits of the axes; several may name the same. */
static enum cv_status read_axes(struct k_load *l, const struct k_op *op, uint32_t *axes)
{
    const struct k_tensor *given = &l->graph->tensors[op->inputs[1]];
    uint32_t rank = l->graph->tensors[op->inputs[0]].rank;
    enum cv_status status = k_check_integers(l, op->inputs[1], given->n_elements);
    for (uint32_t i = 0; status == CV_OK && i < given->n_elements; i++) {
        uint32_t axis = 0;
        status = k_check_axis(l, k_integer(l->graph, op->inputs[1], i), rank, &axis);
        *axes |= status == CV_OK ? 1u << axis : 0u;
    }
    return status;
}

static void add_axis(struct k_grid *grid, int32_t size, int32_t stride)
{
    grid->dims[grid->rank] = (uint32_t)size;
    grid->stride[0][grid->rank] = stride;
    grid->rank++;
}

/* The output has the kept dimensions, with or without 1 for every reduced one. */
static bool is_output(const struct k_tensor *in, const struct k_tensor *out, uint32_t axes)
{
    bool with = in->rank == out->rank;
    uint32_t n = 0;
    bool without = true;
    for (uint32_t i = 0; i < in->rank; i++) {
        bool reduced = (axes >> i & 1u) != 0;
        with = with && out->dims[i] == (reduced ? 1 : in->dims[i]);
        if (reduced)
            continue;
        without = without && n < out->rank && out->dims[n] == in->dims[i];
        n++;
    }
    return with || (without && n == out->rank);
}

static enum cv_status prepare_grids(struct k_load *l, const struct k_op *op, struct plan *p)
{
    const struct k_tensor *in = &l->graph->tensors[op->inputs[0]];
    int32_t stride[K_MAX_RANK] = {0};
    uint32_t axes = 0;
    enum cv_status status = read_axes(l, op, &axes);
    if (status != CV_OK)
        return status;
    if (!is_output(in, &l->graph->tensors[op->output], axes))
        return k_refuse(l, CV_BAD_MODEL, "the axes do not lead to the output's shape");
    k_strides(in, stride);
    for (uint32_t i = 0; i < in->rank; i++)
        add_axis((axes >> i & 1u) != 0 ? &p->reduced : &p->kept, in->dims[i], stride[i]);
    return k_count_macs(l, in->n_elements);
}

static enum cv_status prepare_scale(struct k_load *l, const struct k_op *op, bool mean, struct plan *p)
{
    const struct k_graph *g = l->graph;
    uint32_t n = k_grid_size(&p->reduced);
    double ratio = (double)k_scale(g, op->inputs[0]) / (double)k_scale(g, op->output);
    enum cv_status status = k_quantize_multiplier(l, ratio, &p->multiplier, &p->shift);
    if (status != CV_OK)
        return status;
    if ((uint64_t)n * 255u > INT32_MAX)
        return k_refuse(l, CV_UNSUPPORTED, "a sum that may overflow int32");
    if (mean) {
        int32_t bits = 0; /* floor(log2(n)), at most 31 + shift: n < 2^24 */
        for (uint32_t rest = n; rest > 1; rest >>= 1)
            bits++;
        bits = bits < 31 + p->shift ? bits : 31 + p->shift;
        p->multiplier = (int32_t)(((int64_t)p->multiplier << bits) / n);
        p->shift -= bits;
    }
    if (p->shift > 0 && ((uint64_t)n * 255u) << p->shift > INT32_MAX)
        return k_refuse(l, CV_UNSUPPORTED, "a sum times its left shift may overflow int32");
    p->zero_sum = k_zero_point(g, op->inputs[0]) * (int32_t)n;
    p->z_out = k_zero_point(g, op->output);
    return CV_OK;
}

static enum cv_status prepare_of(struct k_load *l, struct k_op *op,
                                 enum cv_status (*check)(struct k_load *l, uint32_t tensor))
{
    enum cv_status status = check(l, op->inputs[0]);
    if (status == CV_OK)
        status = check(l, op->output);
    struct plan *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = p;
    return prepare_grids(l, op, p);
}

static enum cv_status prepare(struct k_load *l, struct k_op *op)
{
    return prepare_of(l, op, k_check_int8);
}

enum cv_status k_reduce_all_prepare(struct k_load *l, struct k_op *op)
{
    return prepare_of(l, op, k_check_bool);
}

enum cv_status k_mean_prepare(struct k_load *l, struct k_op *op)
{
    enum cv_status status = prepare(l, op);
    return status == CV_OK ? prepare_scale(l, op, true, op->plan) : status;
}

enum cv_status k_sum_of_prepare(struct k_load *l, struct k_op *op)
{
    enum cv_status status = prepare(l, op);
    return status == CV_OK ? prepare_scale(l, op, false, op->plan) : status;
}

enum cv_status k_reduce_extreme_prepare(struct k_load *l, struct k_op *op)
{
    const struct k_graph *g = l->graph;
    enum cv_status status = prepare(l, op);
    if (status == CV_OK && (k_scale(g, op->inputs[0]) != k_scale(g, op->output) ||
                            k_zero_point(g, op->inputs[0]) != k_zero_point(g, op->output)))
        status =
            k_refuse_tensor(l, CV_UNSUPPORTED, op->inputs[0], "is quantized differently from the output");
    return status;
}

static int32_t sum(const struct plan *p, const int8_t *x)
{
    struct k_position at = {{0}, {0, 0}};
    uint32_t n = k_grid_size(&p->reduced);
    int32_t total = 0;
    for (uint32_t i = 0; i < n; i++, k_grid_advance(&p->reduced, &at))
        total += x[at.offset[0]];
    return total;
}

enum cv_status k_mean_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *x = k_read(g, op->inputs[0]);
    int8_t *y = k_write(g, op->output);
    struct k_position at = {{0}, {0, 0}};
    for (uint32_t i = 0; i < g->tensors[op->output].n_elements; i++, k_grid_advance(&p->kept, &at)) {
        int32_t acc = sum(p, x + at.offset[0]) - p->zero_sum;
        y[i] = k_clamp(k_wrap_add(k_requantize(acc, p->multiplier, p->shift), p->z_out), INT8_MIN, INT8_MAX);
    }
    return CV_OK;
}

static int8_t extreme(const struct plan *p, const int8_t *x, bool greatest)
{
    struct k_position at = {{0}, {0, 0}};
    uint32_t n = k_grid_size(&p->reduced);
    int8_t so_far = x[0];
    for (uint32_t i = 0; i < n; i++, k_grid_advance(&p->reduced, &at))
        if (greatest ? x[at.offset[0]] > so_far : x[at.offset[0]] < so_far)
            so_far = x[at.offset[0]];
    return so_far;
}

static enum cv_status run_extreme(const struct k_graph *g, const struct k_op *op, bool greatest)
{
    const struct plan *p = op->plan;
    const int8_t *x = k_read(g, op->inputs[0]);
    int8_t *y = k_write(g, op->output);
    struct k_position at = {{0}, {0, 0}};
    for (uint32_t i = 0; i < g->tensors[op->output].n_elements; i++, k_grid_advance(&p->kept, &at))
        y[i] = extreme(p, x + at.offset[0], greatest);
    return CV_OK;
}

enum cv_status k_reduce_max_run(const struct k_graph *g, const struct k_op *op)
{
    return run_extreme(g, op, true);
}

enum cv_status k_reduce_min_run(const struct k_graph *g, const struct k_op *op)
{
    return run_extreme(g, op, false);
}
