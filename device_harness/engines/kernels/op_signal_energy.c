/* SignalEnergy: re^2 + im^2 of the complex numbers from start_index to before end_index, in uint32.
 *
 * TFLM writes nothing to the other elements; they are zeros here. Where a sum leaves int32, which TFLM leaves
 * undefined, the run ends with CV_ENGINE. Source: TFLM signal/micro/kernels/energy.cc, signal/src/energy.cc.
 */
#include <string.h>

#include "channels.h"
#include "elements.h"
#include "operators.h"
#include "signal_checks.h"

struct plan {
    int32_t end;
    int32_t start;
};

enum cv_status k_signal_energy_prepare(struct k_load *l, struct k_op *op)
{
    const struct k_tensor *in = &l->graph->tensors[op->inputs[0]];
    const struct k_tensor *out = &l->graph->tensors[op->output];
    struct k_options options;
    enum cv_status status = k_check_elements(l, op->inputs[0], K_INT16, 1);
    if (status == CV_OK)
        status = k_check_elements(l, op->output, K_UINT32, 1);
    if (status == CV_OK)
        status = k_options_open(l, op, &options);
    struct plan *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = p;
    uint32_t last = in->n_elements / 2u < out->n_elements ? in->n_elements / 2u : out->n_elements;
    status = k_option(l, &options, 0, 0, (int32_t)last, &p->end);
    if (status == CV_OK)
        status = k_option(l, &options, 1, 0, p->end, &p->start);
    return status == CV_OK ? k_count_macs(l, out->n_elements) : status;
}

enum cv_status k_signal_energy_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *x = k_read(g, op->inputs[0]);
    int8_t *y = k_write(g, op->output);
    memset(y, 0, g->tensors[op->output].n_bytes);
    for (uint32_t i = (uint32_t)p->start; i < (uint32_t)p->end; i++) {
        int32_t re = k_load_i16(x, 2u * i);
        int32_t im = k_load_i16(x, 2u * i + 1u);
        uint32_t energy = (uint32_t)(re * re) + (uint32_t)(im * im); /* <= 2^31 */
        if (energy > INT32_MAX)
            return CV_ENGINE;
        k_store_u32(y, i, energy);
    }
    return CV_OK;
}
