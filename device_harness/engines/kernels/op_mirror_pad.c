/* MIRROR_PAD by constant widths: around the input stands its mirror image, without its edge or with it.
 *
 * Source: TFLM mirror_pad.cc.
 */
#include <string.h>

#include "channels.h"
#include "movement.h"
#include "operators.h"
#include "refuse.h"
#include "schema.h"

#define MAX_RANK 5u

struct plan {
    struct k_grid grid;         /* over the output; stride[0] of the input */
    int32_t before[K_MAX_RANK]; /* elements before the input's first */
    int32_t size[K_MAX_RANK];   /* of the input */
    int32_t edge;               /* 1: it is repeated */
    uint32_t width;
};

static enum cv_status check(struct k_load *l, const struct k_op *op)
{
    const struct k_tensor *in = &l->graph->tensors[op->inputs[0]];
    const struct k_tensor *paddings = &l->graph->tensors[op->inputs[1]];
    enum cv_status status = k_check_moved_of_few_types(l, op->inputs[0], op->output);
    if (status == CV_OK && op->options.at == 0)
        status = k_refuse(l, CV_BAD_MODEL, "no options");
    if (status == CV_OK && (in->rank == 0 || in->rank > MAX_RANK))
        status = k_refuse_number(l, CV_UNSUPPORTED, "dimensions:", in->rank);
    if (status == CV_OK && in->rank != l->graph->tensors[op->output].rank)
        status = k_refuse(l, CV_BAD_MODEL, "input and output differ in rank");
    if (status == CV_OK)
        status = k_check_integers_or_wide(l, op->inputs[1], 2u * in->rank);
    if (status == CV_OK && (paddings->rank != 2 || paddings->dims[1] != 2))
        status = k_refuse_tensor(l, CV_BAD_MODEL, op->inputs[1], "is not two widths for each dimension");
    return status == CV_OK ? k_count_macs(l, l->graph->tensors[op->output].n_elements) : status;
}

enum cv_status k_mirror_pad_prepare(struct k_load *l, struct k_op *op)
{
    const struct k_tensor *in = &l->graph->tensors[op->inputs[0]];
    const struct k_tensor *out = &l->graph->tensors[op->output];
    enum cv_status status = check(l, op);
    struct plan *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = p;
    p->edge = fb_u8(&l->graph->file, op->options, MIRROR_PAD_MODE, 0) == 0 ? 0 : 1;
    p->width = k_movable_width(in);
    p->grid.rank = in->rank;
    k_strides(in, p->grid.stride[0]);
    for (uint32_t i = 0; i < in->rank; i++) {
        int64_t before = k_integer(l->graph, op->inputs[1], 2 * i);
        int64_t after = k_integer(l->graph, op->inputs[1], 2 * i + 1);
        int64_t most = in->dims[i] - 1 + p->edge;
        if (before < 0 || after < 0 || before + in->dims[i] + after != out->dims[i])
            return k_refuse(l, CV_BAD_MODEL, "the paddings do not lead to the output's shape");
        if (before > most || after > most)
            return k_refuse(l, CV_BAD_MODEL, "a padding is wider than what it mirrors");
        p->grid.dims[i] = (uint32_t)out->dims[i];
        p->before[i] = (int32_t)before;
        p->size[i] = in->dims[i];
    }
    return CV_OK;
}

/* Where in the input, on one axis, position `at` of the output is read. */
static int32_t mirrored(const struct plan *p, uint32_t axis, uint32_t at)
{
    int32_t i = (int32_t)at - p->before[axis];
    if (i < 0)
        return -i - p->edge;
    return i < p->size[axis] ? i : 2 * p->size[axis] - 2 + p->edge - i;
}

enum cv_status k_mirror_pad_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *from = k_read(g, op->inputs[0]);
    int8_t *to = k_write(g, op->output);
    struct k_position at = {{0}, {0, 0}};
    for (uint32_t i = 0; i < g->tensors[op->output].n_elements; i++, k_grid_advance(&p->grid, &at)) {
        int32_t offset = 0;
        for (uint32_t axis = 0; axis < p->grid.rank; axis++)
            offset += mirrored(p, axis, at.at[axis]) * p->grid.stride[0][axis];
        memcpy(to + i * p->width, from + (uint32_t)offset * p->width, p->width);
    }
    return CV_OK;
}
