/* SignalDelay: samples as many frames later; zeros at first. Source: TFLM signal/micro/kernels/delay.cc. */
#include <string.h>

#include "movement.h"
#include "operators.h"
#include "refuse.h"
#include "signal_checks.h"
#include "state.h"

#define WIDTH 2u

struct plan {
    uint32_t frame; /* bytes of the innermost dimension */
    uint32_t delay; /* bytes that are kept of each */
    uint32_t n_frames;
};

enum cv_status k_signal_delay_prepare(struct k_load *l, struct k_op *op)
{
    uint32_t n = 0;
    int32_t delay = 0;
    enum cv_status status = k_check_samples(l, op, &n);
    if (status == CV_OK)
        status = k_check_same_shape(l, op->inputs[0], op->output);
    if (status == CV_OK)
        status = k_one_option(l, op, 0, (int32_t)(K_MAX_TENSOR_BYTES / WIDTH), &delay);
    struct plan *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = p;
    p->frame = WIDTH * n;
    p->delay = WIDTH * (uint32_t)delay;
    p->n_frames = l->graph->tensors[op->output].n_bytes / p->frame;
    return k_keep_bytes(l, op, (uint64_t)p->delay * p->n_frames);
}

enum cv_status k_signal_delay_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    uint32_t old = p->delay < p->frame ? p->delay : p->frame; /* bytes of the output that were kept */
    for (uint32_t i = 0; i < p->n_frames; i++) {
        const int8_t *x = k_read(g, op->inputs[0]) + i * p->frame;
        int8_t *y = k_write(g, op->output) + i * p->frame;
        int8_t *kept = op->kept + i * p->delay;
        memcpy(y, kept, old);
        memcpy(y + old, x, p->frame - old);
        memmove(kept, kept + old, p->delay - old);
        memcpy(kept + p->delay - old, x + p->frame - old, old);
    }
    return CV_OK;
}
