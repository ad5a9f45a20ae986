/* SignalStacker: the input behind the inputs before it; the first input stands for those before it.
 *
 * Where TFLM has no whole stack, it leaves the output as it is; such a stacker (with frames to the right, or a step of
 * more than one) is refused. Source: TFLM signal/micro/kernels/stacker.cc.
 */
#include <string.h>

#include "operators.h"
#include "refuse.h"
#include "signal_checks.h"
#include "state.h"

#define WIDTH 2u
#define MAX_LEFT 0xFFFF

struct plan {
    uint32_t n_bytes; /* of an input */
    uint32_t left;    /* inputs before it */
};

enum cv_status k_signal_stacker_prepare(struct k_load *l, struct k_op *op)
{
    uint32_t n = 0;
    int32_t value = 0;
    int32_t left = 0;
    struct k_options options;
    enum cv_status status = k_check_samples(l, op, &n);
    if (status == CV_OK)
        status = k_check_valid(l, op);
    if (status == CV_OK)
        status = k_options_open(l, op, &options);
    if (status == CV_OK)
        status = k_option(l, &options, 0, (int32_t)n, (int32_t)n, &value);
    if (status == CV_OK)
        status = k_option(l, &options, 1, 0, MAX_LEFT, &left);
    if (status == CV_OK)
        status = k_option(l, &options, 2, 0, 0, &value);
    if (status == CV_OK)
        status = k_option(l, &options, 3, 1, 1, &value);
    struct plan *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = p;
    p->n_bytes = WIDTH * n;
    p->left = (uint32_t)left;
    const struct k_tensor *out = &l->graph->tensors[op->output];
    if (l->graph->tensors[op->inputs[0]].rank != 1 || out->rank != 1 ||
        (uint64_t)p->n_bytes * (p->left + 1u) != out->n_bytes)
        return k_refuse(l, CV_BAD_MODEL, "its shapes do not go with its stack");
    return k_keep_bytes(l, op, 1u + (uint64_t)p->n_bytes * p->left);
}

enum cv_status k_signal_stacker_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *x = k_read(g, op->inputs[0]);
    int8_t *y = k_write(g, op->output);
    int8_t *kept = op->kept + 1; /* behind whether there was an input */
    for (uint32_t i = 0; i < p->left; i++)
        memcpy(y + i * p->n_bytes, op->kept[0] != 0 ? kept + i * p->n_bytes : x, p->n_bytes);
    memcpy(y + p->left * p->n_bytes, x, p->n_bytes);
    memcpy(kept, y + p->n_bytes, p->left * p->n_bytes);
    op->kept[0] = 1;
    *k_write(g, op->outputs[1]) = 1;
    return CV_OK;
}
