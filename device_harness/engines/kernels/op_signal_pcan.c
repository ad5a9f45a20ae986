/* SignalPCAN, per-channel amplitude normalization: the signal times a gain that its noise looks up, then shrunk.
 *
 * Source: TFLM signal/micro/kernels/pcan.cc, signal/src/pcan_argc_fixed.cc.
 */
#include "elements.h"
#include "fixedpoint.h"
#include "movement.h"
#include "operators.h"
#include "refuse.h"
#include "signal_checks.h"

#define GAINS 125u /* two, and then a polynomial of three for each number of bits, four apart */
#define SNR_BITS 12u
#define OUTPUT_BITS 6u

struct plan {
    int32_t shift;
};

enum cv_status k_signal_pcan_prepare(struct k_load *l, struct k_op *op)
{
    enum cv_status status = k_check_elementwise(l, op, K_UINT32, K_UINT32, 1);
    if (status == CV_OK)
        status = k_check_elements(l, op->inputs[1], K_UINT32, 1);
    if (status == CV_OK)
        status = k_check_same_shape(l, op->inputs[1], op->output);
    if (status == CV_OK)
        status = k_check_elements(l, op->inputs[2], K_INT16, 1);
    if (status == CV_OK && l->graph->tensors[op->inputs[2]].n_elements < GAINS)
        status = k_refuse_tensor(l, CV_BAD_MODEL, op->inputs[2], "has fewer than 125 gains");
    struct plan *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = p;
    return k_one_option(l, op, 0, 63, &p->shift);
}

/* |value| <= 2 * 2^15 * 32 * 1023 < 2^31. Source: WideDynamicFunction. */
static int32_t gain_of(uint32_t x, const int8_t *table)
{
    if (x <= 2u)
        return k_load_i16(table, x);
    uint32_t width = k_bit_length(x);
    uint32_t first = 4u * width - 6u;
    int32_t part = (int32_t)((width < 11u ? x << (11u - width) : x >> (width - 11u)) & 0x3FFu);
    int32_t value = k_shr(k_load_i16(table, first + 2u) * part, 5) + k_load_i16(table, first + 1u) * 32;
    return k_wrap16(k_shr(value * part + (1 << 14), 15) + k_load_i16(table, first));
}

/* x^2 / 4 below 2, x - 1 from 2 on, of SNR_BITS fractional bits to OUTPUT_BITS. Source: PcanShrink. */
static uint32_t shrunk(uint32_t x)
{
    if (x < 2u << SNR_BITS)
        return (x * x) >> (2u + 2u * SNR_BITS - OUTPUT_BITS);
    return (x >> (SNR_BITS - OUTPUT_BITS)) - (1u << OUTPUT_BITS);
}

enum cv_status k_signal_pcan_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *x = k_read(g, op->inputs[0]);
    const int8_t *noise = k_read(g, op->inputs[1]);
    const int8_t *table = k_read(g, op->inputs[2]);
    for (uint32_t i = 0; i < g->tensors[op->output].n_elements; i++) {
        uint32_t gain = (uint32_t)gain_of(k_load_u32(noise, i), table);
        uint64_t snr = ((uint64_t)k_load_u32(x, i) * gain) >> p->shift;
        k_store_u32(k_write(g, op->output), i, shrunk((uint32_t)(snr & 0xFFFFFFFFu)));
    }
    return CV_OK;
}
