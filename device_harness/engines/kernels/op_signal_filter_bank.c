/* SignalFilterBank: sums of energies by channel, modulo 2^64.
 *
 * Channel i is the weighted sum over its own band and the unweighted one over the band before.
 * Source: TFLM signal/micro/kernels/filter_bank.cc, signal/src/filter_bank.cc.
 */
#include "channels.h"
#include "elements.h"
#include "operators.h"
#include "refuse.h"
#include "signal_checks.h"

enum ends { X = 0, WEIGHTS = 1, UNWEIGHTS = 2, FREQUENCIES = 3, PLACES = 4, WIDTHS = 5, ENDS = 6 };

struct plan {
    int32_t n_channels;
};

static int32_t constant(const struct k_graph *g, const struct k_op *op, enum ends end, uint32_t i)
{
    return k_load_i16(k_read(g, op->inputs[end]), i);
}

static uint32_t count(const struct k_graph *g, const struct k_op *op, enum ends end)
{
    return g->tensors[op->inputs[end]].n_elements;
}

/* Every band reads inside the input and inside both tables of weights. */
static enum cv_status check_bands(struct k_load *l, const struct k_op *op, uint32_t n_bands)
{
    const struct k_graph *g = l->graph;
    uint32_t n_weights =
        count(g, op, WEIGHTS) < count(g, op, UNWEIGHTS) ? count(g, op, WEIGHTS) : count(g, op, UNWEIGHTS);
    for (enum ends end = FREQUENCIES; end < ENDS; end++)
        if (count(g, op, end) < n_bands)
            return k_refuse(l, CV_BAD_MODEL, "its bands are fewer than the channels and one more");
    for (uint32_t i = 0; i < n_bands; i++) {
        int32_t width = constant(g, op, WIDTHS, i);
        int32_t first = constant(g, op, FREQUENCIES, i);
        int32_t place = constant(g, op, PLACES, i);
        if (width > 0 && (first < 0 || place < 0 || (uint32_t)(first + width) > count(g, op, X) ||
                          (uint32_t)(place + width) > n_weights))
            return k_refuse_number(l, CV_BAD_MODEL, "a band outside its input or its weights:", i);
        enum cv_status status = width > 0 ? k_count_macs(l, 2u * (uint32_t)width) : CV_OK;
        if (status != CV_OK)
            return status;
    }
    return CV_OK;
}

enum cv_status k_signal_filter_bank_prepare(struct k_load *l, struct k_op *op)
{
    const struct k_graph *g = l->graph;
    enum cv_status status = k_check_elements(l, op->inputs[X], K_UINT32, 1);
    if (status == CV_OK)
        status = k_check_elements(l, op->output, K_UINT64, 1);
    for (enum ends end = WEIGHTS; status == CV_OK && end < ENDS; end++) {
        status = k_check_elements(l, op->inputs[end], K_INT16, 1);
        if (status == CV_OK && g->tensors[op->inputs[end]].constant == NULL)
            status = k_refuse_tensor(l, CV_UNSUPPORTED, op->inputs[end], "is not a constant");
    }
    struct plan *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = p;
    int32_t n = (int32_t)g->tensors[op->output].n_elements; /* num_channels: what TFLM writes */
    status = k_one_option(l, op, n, n, &p->n_channels);
    return status == CV_OK ? check_bands(l, op, (uint32_t)n + 1u) : status;
}

enum cv_status k_signal_filter_bank_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *x = k_read(g, op->inputs[X]);
    uint64_t sum = 0;
    for (uint32_t i = 0; i <= (uint32_t)p->n_channels; i++) {
        uint64_t next = 0;
        for (int32_t j = 0; j < constant(g, op, WIDTHS, i); j++) {
            uint32_t place = (uint32_t)(constant(g, op, PLACES, i) + j);
            uint64_t energy = k_load_u32(x, (uint32_t)(constant(g, op, FREQUENCIES, i) + j));
            sum += (uint64_t)(int64_t)constant(g, op, WEIGHTS, place) * energy;
            next += (uint64_t)(int64_t)constant(g, op, UNWEIGHTS, place) * energy;
        }
        if (i > 0)
            k_store_u64(k_write(g, op->output), i - 1u, sum);
        sum = next;
    }
    return CV_OK;
}
