/* SignalFftAutoScale: the samples shifted left as far as the greatest magnitude allows, and by how many bits.
 *
 * Source: TFLM signal/micro/kernels/fft_auto_scale_kernel.cc, signal/src/fft_auto_scale.cc, max_abs.cc.
 */
#include "elements.h"
#include "operators.h"
#include "refuse.h"
#include "signal_checks.h"

enum cv_status k_signal_fft_auto_scale_prepare(struct k_load *l, struct k_op *op)
{
    if (op->n_outputs != 2)
        return k_refuse_number(l, CV_BAD_MODEL, "outputs:", op->n_outputs);
    enum cv_status status = k_check_elementwise(l, op, K_INT16, K_INT16, 1);
    return status == CV_OK ? k_check_elements(l, op->outputs[1], K_INT32, 0) : status;
}

/* As TFLM finds it in 16 bits, where -32768 becomes a maximum of -32768. */
static int32_t greatest_magnitude(const int8_t *x, uint32_t n)
{
    int32_t greatest = 0;
    for (uint32_t i = 0; i < n; i++) {
        int32_t value = k_load_i16(x, i);
        if (value > greatest)
            greatest = value;
        else if (-value > greatest)
            greatest = k_wrap16(-value);
    }
    return greatest;
}

enum cv_status k_signal_fft_auto_scale_run(const struct k_graph *g, const struct k_op *op)
{
    const int8_t *x = k_read(g, op->inputs[0]);
    uint32_t n = g->tensors[op->output].n_elements;
    int32_t greatest = greatest_magnitude(x, n);
    uint32_t bits = greatest > 0 ? 15u - k_bit_length((uint32_t)greatest) : 0u;
    for (uint32_t i = 0; i < n; i++)
        k_store_i16(k_write(g, op->output), i, k_load_i16(x, i) * (1 << bits));
    k_store_u32(k_write(g, op->outputs[1]), 0, bits);
    return CV_OK;
}
