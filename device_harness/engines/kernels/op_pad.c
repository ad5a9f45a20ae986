/* PAD and PADV2 by constant widths: around the input stands its zero point (INT8), 0, or the third input.
 *
 * Source: TFLM pad_common.cc, reference/pad.h.
 */
#include <string.h>

#include "channels.h"
#include "movement.h"
#include "operators.h"
#include "quantize.h"
#include "refuse.h"

struct plan {
    struct k_copy copy;
    uint8_t fill[4]; /* one element */
};

static enum cv_status prepare_grid(struct k_load *l, const struct k_op *op, struct k_copy *copy)
{
    const struct k_tensor *in = &l->graph->tensors[op->inputs[0]];
    const struct k_tensor *out = &l->graph->tensors[op->output];
    copy->width = k_movable_width(in);
    copy->grid.rank = in->rank;
    k_strides(in, copy->grid.stride[0]);
    k_strides(out, copy->grid.stride[1]);
    for (uint32_t i = 0; i < in->rank; i++) {
        int64_t before = k_integer(l->graph, op->inputs[1], 2 * i);
        int64_t after = k_integer(l->graph, op->inputs[1], 2 * i + 1);
        if (before < 0 || after < 0 || before + in->dims[i] + after != out->dims[i])
            return k_refuse(l, CV_BAD_MODEL, "the paddings do not lead to the output's shape");
        copy->grid.dims[i] = (uint32_t)in->dims[i];
        copy->start[1] += (int32_t)before * copy->grid.stride[1][i];
    }
    return CV_OK;
}

/* INT8 is padded with the output's zero point; a given value must be quantized as the output. */
static enum cv_status prepare_fill(struct k_load *l, const struct k_op *op, uint8_t fill[4])
{
    const struct k_graph *g = l->graph;
    bool is_int8 = g->tensors[op->output].type == K_INT8;
    uint32_t given = op->n_inputs > 2 ? op->inputs[2] : K_NONE;
    enum cv_status status = is_int8 ? k_check_int8(l, op->output) : CV_OK;
    if (status == CV_OK && is_int8)
        fill[0] = (uint8_t)k_zero_point(g, op->output);
    if (status != CV_OK || given == K_NONE)
        return status;
    status = is_int8 ? k_check_int8(l, given) : k_check_moved(l, given, op->output);
    if (status != CV_OK)
        return status;
    if (g->tensors[given].constant == NULL || g->tensors[given].n_elements != 1)
        return k_refuse_tensor(l, CV_UNSUPPORTED, given, "the padding is not one constant");
    if (is_int8 && (k_scale(g, given) != k_scale(g, op->output) ||
                    k_zero_point(g, given) != k_zero_point(g, op->output)))
        return k_refuse(l, CV_UNSUPPORTED, "padding and output are quantized differently");
    memcpy(fill, g->tensors[given].constant, g->tensors[given].n_bytes);
    return CV_OK;
}

enum cv_status k_pad_prepare(struct k_load *l, struct k_op *op)
{
    const struct k_tensor *in = &l->graph->tensors[op->inputs[0]];
    enum cv_status status = k_check_moved(l, op->inputs[0], op->output);
    if (status == CV_OK && (in->rank != l->graph->tensors[op->output].rank || in->rank == 0))
        status = k_refuse(l, CV_BAD_MODEL, "input and output differ in rank, or have none");
    if (status == CV_OK)
        status = k_check_integers(l, op->inputs[1], 2u * in->rank);
    if (status == CV_OK)
        status = k_count_macs(l, l->graph->tensors[op->output].n_elements);
    struct plan *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = p;
    status = prepare_grid(l, op, &p->copy);
    return status == CV_OK ? prepare_fill(l, op, p->fill) : status;
}

enum cv_status k_pad_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    int8_t *out = k_write(g, op->output);
    for (uint32_t i = 0; i < g->tensors[op->output].n_bytes; i += p->copy.width)
        memcpy(out + i, p->fill, p->copy.width);
    k_copy_run(&p->copy, k_read(g, op->inputs[0]), out);
    return CV_OK;
}
