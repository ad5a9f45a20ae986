/* STRIDED_SLICE with constant begin, end and strides; masks for begin, end and shrunk axes.
 *
 * ellipsis_mask, new_axis_mask and offset are refused (TFLM ignores them).
 * Source: TFLM strided_slice_common.cc, kernels/internal/strided_slice_logic.h.
 */
#include "channels.h"
#include "movement.h"
#include "operators.h"
#include "refuse.h"
#include "schema.h"

struct slice {
    int64_t first;
    int64_t n;
    int64_t stride;
};

static int64_t clamped(int64_t x, int64_t lo, int64_t hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

/* Source: StridedSliceStartForAxis, StridedSliceEndForAxis. n <= 0: nothing is left. */
static struct slice slice_axis(int64_t size, int64_t begin, int64_t end, int64_t stride, bool begin_masked,
                               bool end_masked, bool shrunk)
{
    int64_t lo = stride > 0 ? 0 : -1;
    int64_t hi = stride > 0 ? size : size - 1;
    int64_t first = clamped(begin < 0 ? begin + size : begin, lo, hi);
    int64_t last = clamped(end < 0 ? end + size : end, lo, hi);
    if (begin_masked)
        first = stride > 0 ? 0 : size - 1;
    if (end_masked)
        last = stride > 0 ? size : -1;
    if (shrunk)
        last = first < 0 || first >= size || stride < 0 ? first : first + 1;
    int64_t n = stride > 0 ? (last - first + stride - 1) / stride : (first - last - stride - 1) / -stride;
    struct slice s = {first, n, stride};
    return s;
}

static enum cv_status check(struct k_load *l, const struct k_op *op)
{
    uint32_t rank = l->graph->tensors[op->inputs[0]].rank;
    enum cv_status status = k_check_moved(l, op->inputs[0], op->output);
    for (uint32_t i = 1; status == CV_OK && i < 4; i++)
        status = k_check_integers(l, op->inputs[i], rank);
    if (status == CV_OK && (op->options.at == 0 || rank == 0))
        status = k_refuse(l, CV_BAD_MODEL, "no options, or a scalar");
    if (status == CV_OK && (fb_i32(&l->graph->file, op->options, STRIDED_SLICE_ELLIPSIS_MASK, 0) != 0 ||
                            fb_i32(&l->graph->file, op->options, STRIDED_SLICE_NEW_AXIS_MASK, 0) != 0 ||
                            fb_u8(&l->graph->file, op->options, STRIDED_SLICE_OFFSET, 0) != 0))
        status = k_refuse(l, CV_UNSUPPORTED, "ellipsis_mask, new_axis_mask or offset");
    return status == CV_OK ? k_count_macs(l, l->graph->tensors[op->output].n_elements) : status;
}

/* Adds one axis to the copy, unless it is shrunk. */
static enum cv_status add_axis(struct k_load *l, const struct slice *s, int32_t stride, bool shrunk,
                               struct k_copy *copy)
{
    if (s->n <= 0 || (shrunk && s->n != 1))
        return k_refuse(l, CV_BAD_MODEL, "an axis keeps nothing, or more than one position where shrunk");
    copy->start[0] += (int32_t)s->first * stride;
    if (shrunk)
        return CV_OK;
    copy->grid.dims[copy->grid.rank] = (uint32_t)s->n;
    copy->grid.stride[0][copy->grid.rank] = s->n > 1 ? (int32_t)s->stride * stride : 0;
    copy->grid.rank++;
    return CV_OK;
}

static bool is_shape(const struct k_grid *grid, const struct k_tensor *t)
{
    bool same = grid->rank == t->rank;
    for (uint32_t i = 0; same && i < t->rank; i++)
        same = grid->dims[i] == (uint32_t)t->dims[i];
    return same;
}

enum cv_status k_strided_slice_prepare(struct k_load *l, struct k_op *op)
{
    struct k_graph *g = l->graph;
    const struct k_tensor *in = &g->tensors[op->inputs[0]];
    int32_t from[K_MAX_RANK] = {0};
    enum cv_status status = check(l, op);
    struct k_copy *copy = status == CV_OK ? k_alloc(l, sizeof *copy) : NULL;
    if (copy == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = copy;
    copy->width = k_movable_width(in);
    k_strides(in, from);
    uint32_t begins = (uint32_t)fb_i32(&g->file, op->options, STRIDED_SLICE_BEGIN_MASK, 0);
    uint32_t ends = (uint32_t)fb_i32(&g->file, op->options, STRIDED_SLICE_END_MASK, 0);
    uint32_t shrunk = (uint32_t)fb_i32(&g->file, op->options, STRIDED_SLICE_SHRINK_AXIS_MASK, 0);
    for (uint32_t i = 0; status == CV_OK && i < in->rank; i++) {
        int32_t stride = k_integer(g, op->inputs[3], i);
        if (stride == 0)
            return k_refuse(l, CV_BAD_MODEL, "a stride of 0");
        struct slice s =
            slice_axis(in->dims[i], k_integer(g, op->inputs[1], i), k_integer(g, op->inputs[2], i), stride,
                       (begins >> i & 1u) != 0, (ends >> i & 1u) != 0, (shrunk >> i & 1u) != 0);
        status = add_axis(l, &s, from[i], (shrunk >> i & 1u) != 0, copy);
    }
    if (status == CV_OK && !is_shape(&copy->grid, &g->tensors[op->output]))
        status = k_refuse(l, CV_BAD_MODEL, "the slices do not have the output's shape");
    k_strides(&g->tensors[op->output], copy->grid.stride[1]);
    return status;
}

enum cv_status k_strided_slice_run(const struct k_graph *g, const struct k_op *op)
{
    return k_copied_run(g, op);
}
