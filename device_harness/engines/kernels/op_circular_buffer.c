/* CIRCULAR_BUFFER, TFLM's custom operator: the last inputs, the newest at the end; its output is what it keeps.
 *
 * A period of more than one invocation, at which TFLM ends an invocation early, is refused.
 * Source: TFLM circular_buffer.cc, circular_buffer_common.cc.
 */
#include <string.h>

#include "flexbuffer.h"
#include "operators.h"
#include "quantize.h"
#include "refuse.h"
#include "state.h"

struct plan {
    uint32_t slot; /* bytes of one input */
    uint32_t kept; /* bytes of all slots but one */
};

static enum cv_status check_shapes(struct k_load *l, const struct k_tensor *in, const struct k_tensor *out)
{
    if (in->rank != 4 || out->rank != 4 || in->dims[0] != 1 || in->dims[1] != 1 || out->dims[0] != 1 ||
        in->dims[2] != out->dims[2] || in->dims[3] != out->dims[3])
        return k_refuse(l, CV_UNSUPPORTED, "needs [1, 1, w, d] to [1, slots, w, d]");
    return CV_OK;
}

static enum cv_status check_period(struct k_load *l, const struct k_op *op, int32_t n_slots)
{
    struct k_options options;
    int32_t period = 0; /* the option cycles_max; 0: there is none */
    enum cv_status status = op->custom.n == 0 ? CV_OK : k_options_open(l, op, &options);
    if (status == CV_OK && op->custom.n > 0)
        status = k_option(l, &options, 0, INT32_MIN, INT32_MAX, &period);
    if (status != CV_OK)
        return status;
    if (period < 1)
        period = n_slots == 5 || n_slots == 13 || n_slots == 25 ? 1 : 2;
    return period == 1 ? CV_OK : k_refuse_number(l, CV_UNSUPPORTED, "a period, in invocations, of", period);
}

enum cv_status k_circular_buffer_prepare(struct k_load *l, struct k_op *op)
{
    struct k_graph *g = l->graph;
    const struct k_tensor *in = &g->tensors[op->inputs[0]];
    const struct k_tensor *out = &g->tensors[op->output];
    enum cv_status status = k_check_int8(l, op->inputs[0]);
    if (status == CV_OK)
        status = k_check_int8(l, op->output);
    if (status == CV_OK)
        status = check_shapes(l, in, out);
    if (status == CV_OK && (k_scale(g, op->inputs[0]) < k_scale(g, op->output) ||
                            k_scale(g, op->inputs[0]) > k_scale(g, op->output) ||
                            k_zero_point(g, op->inputs[0]) != k_zero_point(g, op->output)))
        status = k_refuse(l, CV_UNSUPPORTED, "the output is quantized differently from the input");
    if (status == CV_OK)
        status = check_period(l, op, out->dims[1]);
    if (status == CV_OK)
        status = k_keep(l, op->output);
    struct plan *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = p;
    p->slot = in->n_bytes;
    p->kept = out->n_bytes - in->n_bytes;
    return CV_OK;
}

enum cv_status k_circular_buffer_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    int8_t *y = k_write(g, op->output);
    memmove(y, y + p->slot, p->kept);
    memcpy(y + p->kept, k_read(g, op->inputs[0]), p->slot);
    return CV_OK;
}
