/* SignalOverlapAdd, int16: frames added up, clamped, each frame_step samples behind the one before.
 *
 * Source: TFLM signal/micro/kernels/overlap_add.cc, signal/src/overlap_add.cc.
 */
#include <string.h>

#include "elements.h"
#include "fixedpoint.h"
#include "operators.h"
#include "refuse.h"
#include "signal_checks.h"
#include "state.h"

#define WIDTH 2u

struct plan {
    uint32_t size; /* samples of a frame, of a step */
    uint32_t step;
    uint32_t n_frames; /* of each row */
    uint32_t n_rows;
};

enum cv_status k_signal_overlap_add_prepare(struct k_load *l, struct k_op *op)
{
    const struct k_tensor *in = &l->graph->tensors[op->inputs[0]];
    struct k_options options;
    uint32_t size = 0;
    int32_t step = 0;
    enum cv_status status = k_check_samples(l, op, &size);
    if (status == CV_OK && in->rank < 2)
        status = k_refuse(l, CV_BAD_MODEL, "an input without frames");
    if (status == CV_OK)
        status = k_options_open(l, op, &options);
    if (status == CV_OK)
        status = k_check_int16_option(l, &options, "frame_step");
    if (status == CV_OK)
        status = k_option(l, &options, 1, 1, (int32_t)size, &step);
    struct plan *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = p;
    p->size = size;
    p->step = (uint32_t)step;
    p->n_frames = (uint32_t)in->dims[in->rank - 2u];
    p->n_rows = in->n_elements / (size * p->n_frames);
    uint32_t done = p->n_frames * p->step; /* <= the input's elements */
    if (!k_has_dimensions(l, op, 2, &done, 1))
        return k_refuse(l, CV_BAD_MODEL, "its shapes do not go with its step");
    return k_keep_bytes(l, op, (uint64_t)WIDTH * size * p->n_rows);
}

static void add_frame(const struct plan *p, const int8_t *x, int8_t *sums, int8_t *y)
{
    for (uint32_t i = 0; i < p->size; i++)
        k_store_i16(sums, i, k_clamp16(k_load_i16(sums, i) + k_load_i16(x, i)));
    memcpy(y, sums, WIDTH * p->step);
    memmove(sums, sums + WIDTH * p->step, WIDTH * (p->size - p->step));
    memset(sums + WIDTH * (p->size - p->step), 0, WIDTH * p->step);
}

enum cv_status k_signal_overlap_add_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *x = k_read(g, op->inputs[0]);
    int8_t *y = k_write(g, op->output);
    for (uint32_t i = 0; i < p->n_rows * p->n_frames; i++) {
        add_frame(p, x, op->kept + i / p->n_frames * WIDTH * p->size, y);
        x += WIDTH * p->size;
        y += WIDTH * p->step;
    }
    return CV_OK;
}
