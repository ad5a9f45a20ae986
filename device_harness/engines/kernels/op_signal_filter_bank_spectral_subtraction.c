/* SignalFilterBankSpectralSubtraction: the signal less an estimate of its noise, which is smoothed over time.
 *
 * The estimate is the second output, and what the operator keeps. Source: TFLM
 * signal/micro/kernels/filter_bank_spectral_subtraction.cc, signal/src/filter_bank_spectral_subtraction.cc.
 */
#include "elements.h"
#include "movement.h"
#include "operators.h"
#include "refuse.h"
#include "signal_checks.h"
#include "state.h"

struct plan {
    uint32_t smoothing[2]; /* of even channels, of odd ones */
    uint32_t rest[2];
    uint32_t least;
    uint32_t smoothing_bits;
    uint32_t bits;
    bool clamping;
};

/* The i-th option as TFLM's uint32. */
static enum cv_status read(struct k_load *l, const struct k_options *options, uint32_t i, int32_t lo,
                           int32_t hi, uint32_t *value)
{
    int32_t option = 0;
    enum cv_status status = k_option(l, options, i, lo, hi, &option);
    *value = (uint32_t)option;
    return status;
}

static enum cv_status read_options(struct k_load *l, const struct k_op *op, struct plan *p)
{
    struct k_options o;
    int32_t n = (int32_t)l->graph->tensors[op->output].n_elements;
    uint32_t n_channels = 0;
    enum cv_status status = k_options_open(l, op, &o);
    if (status == CV_OK)
        status = read(l, &o, 4, n, n, &n_channels);
    if (status == CV_OK)
        status = read(l, &o, 0, INT32_MIN, INT32_MAX, &p->rest[1]);
    if (status == CV_OK)
        status = read(l, &o, 1, INT32_MIN, INT32_MAX, &p->smoothing[1]);
    if (status == CV_OK)
        status = read(l, &o, 3, INT32_MIN, INT32_MAX, &p->least);
    if (status == CV_OK)
        status = read(l, &o, 5, INT32_MIN, INT32_MAX, &p->rest[0]);
    if (status == CV_OK)
        status = read(l, &o, 6, INT32_MIN, INT32_MAX, &p->smoothing[0]);
    if (status == CV_OK)
        status = read(l, &o, 7, 0, 31, &p->smoothing_bits);
    if (status == CV_OK)
        status = read(l, &o, 8, 0, 63, &p->bits);
    return status == CV_OK ? k_option_bool(l, &o, 2, &p->clamping) : status;
}

enum cv_status k_signal_filter_bank_spectral_subtraction_prepare(struct k_load *l, struct k_op *op)
{
    if (op->n_outputs != 2)
        return k_refuse_number(l, CV_BAD_MODEL, "outputs:", op->n_outputs);
    enum cv_status status = k_check_elementwise(l, op, K_UINT32, K_UINT32, 1);
    if (status == CV_OK)
        status = k_check_elements(l, op->outputs[1], K_UINT32, 1);
    if (status == CV_OK)
        status = k_check_same_shape(l, op->output, op->outputs[1]);
    struct plan *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = p;
    status = read_options(l, op, p);
    return status == CV_OK ? k_keep_output(l, op->outputs[1]) : status;
}

enum cv_status k_signal_filter_bank_spectral_subtraction_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *x = k_read(g, op->inputs[0]);
    int8_t *y = k_write(g, op->output);
    int8_t *kept = k_write(g, op->outputs[1]);
    for (uint32_t i = 0; i < g->tensors[op->output].n_elements; i++) {
        uint64_t in = k_load_u32(x, i);
        uint64_t signal = (in << p->smoothing_bits) & 0xFFFFFFFFu;
        uint64_t noise =
            (signal * p->smoothing[i % 2u] + (uint64_t)k_load_u32(kept, i) * p->rest[i % 2u]) >> p->bits;
        noise &= 0xFFFFFFFFu;
        uint64_t estimate = noise < signal ? noise : signal;
        uint64_t floor = ((in * p->least) >> p->bits) & 0xFFFFFFFFu;
        uint64_t subtracted = (signal - estimate) >> p->smoothing_bits;
        k_store_u32(kept, i, (uint32_t)(p->clamping ? estimate : noise));
        k_store_u32(y, i, (uint32_t)(subtracted > floor ? subtracted : floor));
    }
    return CV_OK;
}
