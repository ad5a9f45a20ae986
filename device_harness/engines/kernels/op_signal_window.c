/* SignalWindow: every frame of samples times the same weights, shifted right, clamped to int16.
 *
 * Source: TFLM signal/micro/kernels/window.cc, signal/src/window.cc.
 */
#include "elements.h"
#include "fixedpoint.h"
#include "operators.h"
#include "refuse.h"
#include "signal_checks.h"

struct plan {
    int32_t shift;
};

enum cv_status k_signal_window_prepare(struct k_load *l, struct k_op *op)
{
    const struct k_graph *g = l->graph;
    enum cv_status status = k_check_elementwise(l, op, K_INT16, K_INT16, K_ANY_RANK);
    if (status == CV_OK)
        status = k_check_elements(l, op->inputs[1], K_INT16, 1);
    if (status == CV_OK && (g->tensors[op->inputs[0]].rank == 0 ||
                            g->tensors[op->inputs[0]].n_elements % g->tensors[op->inputs[1]].n_elements != 0))
        status = k_refuse(l, CV_BAD_MODEL, "the weights' number does not divide that of the samples");
    struct plan *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = p;
    return k_one_option(l, op, 0, 31, &p->shift);
}

enum cv_status k_signal_window_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *x = k_read(g, op->inputs[0]);
    const int8_t *weights = k_read(g, op->inputs[1]);
    uint32_t n_weights = g->tensors[op->inputs[1]].n_elements;
    int8_t *y = k_write(g, op->output);
    for (uint32_t i = 0; i < g->tensors[op->output].n_elements; i++) {
        int32_t raw = k_load_i16(x, i) * k_load_i16(weights, i % n_weights);
        k_store_i16(y, i, k_clamp16(k_shr(raw, p->shift)));
    }
    return CV_OK;
}
