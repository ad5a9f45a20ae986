/* BATCH_MATMUL, int8: products of matrices, either turned over, with broadcasting over the dimensions before them:
 * y = requantize(sum (a - z_a)(b - z_b)) + z_y.
 *
 * Source: TFLM batch_matmul.cc, reference/batch_matmul.h.
 */
#include "broadcast.h"
#include "channels.h"
#include "fixedpoint.h"
#include "operators.h"
#include "quantize.h"
#include "refuse.h"
#include "rescale.h"
#include "schema.h"

#define MAX_RANK 5u

/* A factor: elements from one to the next along the sum, and along the output. */
struct factor {
    int32_t along;
    int32_t across;
    int32_t zero_point;
};

struct plan {
    struct k_grid batches; /* strides between the matrices of both inputs */
    struct factor a;
    struct factor b;
    int32_t rows;
    int32_t columns;
    int32_t depth;
    struct k_rescale stage;
};

static void read_factor(const struct k_graph *g, uint32_t tensor, bool along_rows, struct factor *f)
{
    int32_t row = k_size_from_right(&g->tensors[tensor], 0);
    f->along = along_rows ? row : 1;
    f->across = along_rows ? 1 : row;
    f->zero_point = k_zero_point(g, tensor);
}

static bool go_together(const struct k_tensor *a, const struct k_tensor *b, const struct k_tensor *out)
{
    bool fits = out->rank == (a->rank > b->rank ? a->rank : b->rank);
    for (uint32_t i = 2; fits && i < out->rank; i++) {
        int32_t size = k_size_from_right(a, i) > k_size_from_right(b, i) ? k_size_from_right(a, i)
                                                                         : k_size_from_right(b, i);
        fits = k_size_from_right(out, i) == size &&
               (k_size_from_right(a, i) == size || k_size_from_right(a, i) == 1) &&
               (k_size_from_right(b, i) == size || k_size_from_right(b, i) == 1);
    }
    return fits;
}

static enum cv_status prepare_shapes(struct k_load *l, const struct k_op *op, struct plan *p)
{
    const struct k_graph *g = l->graph;
    const struct k_tensor *a = &g->tensors[op->inputs[0]];
    const struct k_tensor *b = &g->tensors[op->inputs[1]];
    const struct k_tensor *out = &g->tensors[op->output];
    bool a_turned = fb_u8(&l->graph->file, op->options, MATMUL_ADJOINT_A, 0) != 0;
    bool b_turned = fb_u8(&l->graph->file, op->options, MATMUL_ADJOINT_B, 0) != 0;
    if (a->rank < 2 || a->rank > MAX_RANK || b->rank < 2 || b->rank > MAX_RANK)
        return k_refuse(l, CV_UNSUPPORTED, "an input has fewer than 2 or more than 5 dimensions");
    p->rows = k_size_from_right(a, a_turned ? 0 : 1);
    p->depth = k_size_from_right(a, a_turned ? 1 : 0);
    p->columns = k_size_from_right(b, b_turned ? 1 : 0);
    if (k_size_from_right(b, b_turned ? 0 : 1) != p->depth || !go_together(a, b, out) ||
        k_size_from_right(out, 1) != p->rows || k_size_from_right(out, 0) != p->columns)
        return k_refuse(l, CV_BAD_MODEL, "the shapes of inputs and output do not go together");
    if ((int64_t)p->depth * 255 * 255 > INT32_MAX)
        return k_refuse(l, CV_UNSUPPORTED, "a sum that may overflow int32");
    read_factor(g, op->inputs[0], a_turned, &p->a);
    read_factor(g, op->inputs[1], !b_turned, &p->b);
    p->batches.rank = out->rank - 2u;
    for (uint32_t i = 0; i < p->batches.rank; i++)
        p->batches.dims[i] = (uint32_t)out->dims[i];
    k_broadcast_strides(a, out->rank, p->batches.stride[0]);
    k_broadcast_strides(b, out->rank, p->batches.stride[1]);
    return k_count_macs(l, (uint64_t)out->n_elements * (uint32_t)p->depth);
}

enum cv_status k_batch_matmul_prepare(struct k_load *l, struct k_op *op)
{
    const struct k_graph *g = l->graph;
    struct k_rescale_side side = {0, 0, 1};
    enum cv_status status = k_check_int8(l, op->inputs[0]);
    if (status == CV_OK)
        status = k_check_int8(l, op->inputs[1]);
    if (status == CV_OK)
        status = k_check_int8(l, op->output);
    if (status == CV_OK && op->options.at == 0)
        status = k_refuse(l, CV_BAD_MODEL, "no options");
    struct plan *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = p;
    status = prepare_shapes(l, op, p);
    if (status != CV_OK)
        return status;
    double product = (double)k_scale(g, op->inputs[0]) * (double)k_scale(g, op->inputs[1]);
    status =
        k_quantize_multiplier(l, product / (double)k_scale(g, op->output), &side.multiplier, &side.shift);
    p->stage.below = p->stage.above = side;
    p->stage.z_out = k_zero_point(g, op->output);
    return status;
}

/* At most depth * 255 * 255. */
static int32_t sum(const struct plan *p, const int8_t *a, const int8_t *b)
{
    int32_t acc = 0;
    for (int32_t i = 0; i < p->depth; i++)
        acc += (a[i * p->a.along] - p->a.zero_point) * (b[i * p->b.along] - p->b.zero_point);
    return acc;
}

/* False: a sum times its left shift, or with the zero point, leaves int32. */
static bool multiply(const struct plan *p, const int8_t *a, const int8_t *b, int8_t *y)
{
    for (int32_t row = 0; row < p->rows; row++)
        for (int32_t column = 0; column < p->columns; column++) {
            int32_t scaled = 0;
            if (!k_rescaled(&p->stage, sum(p, a + row * p->a.across, b + column * p->b.across), &scaled))
                return false;
            *y++ = k_clamp(scaled, INT8_MIN, INT8_MAX);
        }
    return true;
}

enum cv_status k_batch_matmul_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *a = k_read(g, op->inputs[0]);
    const int8_t *b = k_read(g, op->inputs[1]);
    int8_t *y = k_write(g, op->output);
    uint32_t n = k_grid_size(&p->batches);
    struct k_position at = {{0}, {0, 0}};
    for (uint32_t i = 0; i < n; i++, k_grid_advance(&p->batches, &at), y += p->rows * p->columns)
        if (!multiply(p, a + at.offset[0], b + at.offset[1], y))
            return CV_ENGINE;
    return CV_OK;
}
