/* SignalFramer: frames of samples, one every frame_step, that overlap, touch each other, or leave samples out.
 *
 * Where TFLM has no whole frame at first, it leaves the output as it is; such a framer (without prefill) is refused.
 * Source: TFLM signal/micro/kernels/framer.cc.
 */
#include <string.h>

#include "operators.h"
#include "refuse.h"
#include "signal_checks.h"
#include "state.h"

#define WIDTH 2u

struct plan {
    uint32_t size; /* bytes of a frame, of a step, of what is kept between frames */
    uint32_t step;
    uint32_t kept;
    uint32_t n_frames; /* of each row */
    uint32_t n_rows;
};

static enum cv_status read_options(struct k_load *l, const struct k_op *op, uint32_t n, struct plan *p)
{
    struct k_options options;
    int32_t size = 0;
    int32_t step = 0;
    bool prefill = false;
    enum cv_status status = k_options_open(l, op, &options);
    if (status == CV_OK)
        status = k_option(l, &options, 0, 1, (int32_t)(K_MAX_TENSOR_BYTES / WIDTH), &size);
    if (status == CV_OK)
        status = k_option(l, &options, 1, 1, (int32_t)n, &step);
    if (status == CV_OK)
        status = k_option_bool(l, &options, 2, &prefill);
    if (status == CV_OK && size != step && prefill != (size > step))
        status = k_refuse(l, CV_UNSUPPORTED, "frames that are not all valid");
    p->size = WIDTH * (uint32_t)size;
    p->step = WIDTH * (uint32_t)step;
    return status;
}

enum cv_status k_signal_framer_prepare(struct k_load *l, struct k_op *op)
{
    uint32_t n = 0;
    enum cv_status status = k_check_samples(l, op, &n);
    if (status == CV_OK)
        status = k_check_valid(l, op);
    struct plan *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = p;
    status = read_options(l, op, n, p);
    if (status != CV_OK)
        return status;
    uint32_t frames[2] = {WIDTH * n / p->step, p->size / WIDTH};
    if (WIDTH * n % p->step != 0 || !k_has_dimensions(l, op, 1, frames, 2))
        return k_refuse(l, CV_BAD_MODEL, "its shapes do not go with its frames");
    p->kept = p->size > p->step ? p->size - p->step : 0;
    p->n_frames = frames[0];
    p->n_rows = l->graph->tensors[op->inputs[0]].n_elements / n;
    return p->kept == 0 ? CV_OK : k_keep_bytes(l, op, (uint64_t)p->kept * p->n_rows);
}

enum cv_status k_signal_framer_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *x = k_read(g, op->inputs[0]);
    int8_t *y = k_write(g, op->output);
    for (uint32_t i = 0; i < p->n_rows * p->n_frames; i++, x += p->step, y += p->size) {
        if (p->kept == 0) {
            memcpy(y, x, p->size);
            continue;
        }
        int8_t *kept = op->kept + i / p->n_frames * p->kept;
        memcpy(y, kept, p->kept);
        memcpy(y + p->kept, x, p->step);
        memcpy(kept, y + p->step, p->kept);
    }
    *k_write(g, op->outputs[1]) = 1;
    return CV_OK;
}
