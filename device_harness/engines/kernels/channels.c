/* Per-channel requantization and the accumulator bound: see channels.h. */
#include "channels.h"

#include "bytes.h"
#include "refuse.h"

/* In double throughout, as TFLM since autumn 2026 also for FULLY_CONNECTED per tensor. */
static double effective_scale(const struct k_graph *g, const struct k_op *op, uint32_t channel)
{
    struct fb_vector scales = g->tensors[op->inputs[1]].scales;
    float s_in = k_scale(g, op->inputs[0]);
    float s_w = fb_vector_f32(&g->file, scales, scales.n > 1 ? channel : 0);
    double s_out = (double)k_scale(g, op->output);
    return (double)s_in * (double)s_w / s_out;
}

static enum cv_status check_bias(struct k_load *l, uint32_t tensor, uint32_t n)
{
    const struct k_tensor *t = &l->graph->tensors[tensor];
    if (t->type != K_INT32)
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "the bias is not INT32");
    if (t->constant == NULL)
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "the bias is not a constant");
    if (t->n_elements != n)
        return k_refuse_tensor(l, CV_BAD_MODEL, tensor, "the bias has not one number per output channel");
    return CV_OK;
}

static uint64_t magnitude(int64_t x)
{
    return (uint64_t)(x < 0 ? -x : x);
}

/* Sum of |w - z_w| over one channel: <= 2^28 weights * 255 < 2^36 */
static uint64_t weight_sum(const struct k_filter *f, uint32_t channel)
{
    const int8_t *w = f->weights + channel * f->channel_stride;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < f->taps; i++)
        sum += magnitude((int64_t)w[i * f->tap_stride] - f->zero_point);
    return sum;
}

static enum cv_status check_accumulator(struct k_load *l, const struct k_filter *f, uint32_t channel,
                                        int32_t z_in, int32_t bias)
{
    uint32_t largest = (uint32_t)(z_in < 0 ? 127 - z_in : z_in + 128); /* max |x - z_in|, <= 255 */
    uint64_t bound = weight_sum(f, channel) * largest + magnitude(bias);
    return bound <= INT32_MAX ? CV_OK
                              : k_refuse_number(l, CV_UNSUPPORTED,
                                                "accumulator may overflow int32: output channel", channel);
}

enum cv_status k_channels(struct k_load *l, const struct k_op *op, const struct k_filter *filter,
                          struct k_channel **channels)
{
    const struct k_graph *g = l->graph;
    uint32_t bias = op->n_inputs > 2 ? op->inputs[2] : K_NONE;
    int32_t z_in = k_zero_point(g, op->inputs[0]);
    enum cv_status status = bias == K_NONE ? CV_OK : check_bias(l, bias, filter->n);
    if (status != CV_OK)
        return status;
    struct k_channel *all = k_alloc(l, (uint64_t)filter->n * sizeof *all);
    if (all == NULL)
        return CV_NO_ARENA;
    for (uint32_t c = 0; c < filter->n; c++) {
        if (bias != K_NONE)
            all[c].bias = cv_as_i32(cv_load_u32(g->tensors[bias].constant + 4u * c));
        status = k_quantize_multiplier(l, effective_scale(g, op, c), &all[c].multiplier, &all[c].shift);
        if (status == CV_OK)
            status = check_accumulator(l, filter, c, z_in, all[c].bias);
        if (status != CV_OK)
            return status;
    }
    *channels = all;
    return CV_OK;
}

enum cv_status k_count_macs(struct k_load *l, uint64_t n)
{
    l->macs += n < K_MAX_MACS ? n : K_MAX_MACS + 1u;
    return l->macs <= K_MAX_MACS
               ? CV_OK
               : k_refuse(l, CV_UNSUPPORTED, "more than 2^34 multiplications in one inference");
}
