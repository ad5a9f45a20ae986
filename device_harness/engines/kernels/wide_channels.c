/* Channels of 64-bit accumulators: see wide_channels.h. */
#include "wide_channels.h"

#include "elements.h"
#include "refuse.h"

#define MOST (((int64_t)1 << 47) - 1) /* of an accumulator */
#define MAX_SHIFT 7

static enum cv_status check_bias(struct k_load *l, uint32_t tensor, uint32_t n, bool narrow)
{
    const struct k_tensor *t = &l->graph->tensors[tensor];
    if (t->type != K_INT64 && !(narrow && t->type == K_INT16))
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "a bias of this type beside INT16");
    if (t->constant == NULL)
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "the bias is not a constant");
    if (t->n_elements != n)
        return k_refuse_tensor(l, CV_BAD_MODEL, tensor, "the bias has not one number per output channel");
    return CV_OK;
}

/* The two's complement reading of 64 bits, without implementation-defined conversion. */
static int64_t as_i64(uint64_t x)
{
    return x <= INT64_MAX ? (int64_t)x : -(int64_t)(UINT64_MAX - x) - 1;
}

static int64_t bias_of(const struct k_graph *g, uint32_t tensor, uint32_t channel)
{
    const struct k_tensor *t = &g->tensors[tensor];
    const int8_t *at = k_read(g, tensor);
    return t->type == K_INT16 ? k_load_i16(at, channel) : as_i64(k_load_u64(at, channel));
}

/* Sum of |w| of a channel times 2^15, and |bias|; every partial sum is within it. */
static bool is_bounded(const struct k_filter *f, uint32_t channel, int64_t bias)
{
    const int8_t *w = f->weights + channel * f->channel_stride;
    int64_t sum = 0; /* <= 2^28 * 2^7 */
    for (uint32_t i = 0; i < f->taps; i++)
        sum += w[i * f->tap_stride] < 0 ? -(int64_t)w[i * f->tap_stride] : w[i * f->tap_stride];
    int64_t left = MOST - sum * 32768;
    return left >= 0 && bias <= left && bias >= -left;
}

static enum cv_status prepare(struct k_load *l, const struct k_op *op, uint32_t channel,
                              struct k_wide_channel *ch)
{
    const struct k_graph *g = l->graph;
    struct fb_vector scales = g->tensors[op->inputs[1]].scales;
    float s_w = fb_vector_f32(&g->file, scales, scales.n > 1 ? channel : 0);
    double real = (double)k_scale(g, op->inputs[0]) * (double)s_w / (double)k_scale(g, op->output);
    int32_t multiplier = 0;
    enum cv_status status = k_quantize_multiplier(l, real, &multiplier, &ch->shift);
    if (status == CV_OK && ch->shift > MAX_SHIFT)
        status = k_refuse(l, CV_UNSUPPORTED, "the effective scale is beyond the 64-bit requantization");
    ch->multiplier =
        multiplier < 0x7FFF0000 ? (multiplier + (1 << 15)) >> 16 : 0x7FFF; /* it is not negative */
    return status;
}

enum cv_status k_wide_channels(struct k_load *l, const struct k_op *op, const struct k_filter *filter,
                               bool narrow, struct k_wide_channel **channels)
{
    uint32_t bias = op->n_inputs > 2 ? op->inputs[2] : K_NONE;
    enum cv_status status = bias == K_NONE ? CV_OK : check_bias(l, bias, filter->n, narrow);
    if (status != CV_OK)
        return status;
    struct k_wide_channel *all = k_alloc(l, (uint64_t)filter->n * sizeof *all);
    if (all == NULL)
        return CV_NO_ARENA;
    for (uint32_t c = 0; c < filter->n; c++) {
        all[c].bias = bias == K_NONE ? 0 : bias_of(l->graph, bias, c);
        status = prepare(l, op, c, &all[c]);
        if (status == CV_OK && !is_bounded(filter, c, all[c].bias))
            status = k_refuse_number(l, CV_UNSUPPORTED, "accumulator may leave 48 bits: output channel", c);
        if (status != CV_OK)
            return status;
    }
    *channels = all;
    return CV_OK;
}

/* floor(x / 2^by) */
static int64_t shr64(int64_t x, int32_t by)
{
    return x >= 0 ? (int64_t)((uint64_t)x >> by) : -1 - (int64_t)((uint64_t)(-1 - x) >> by);
}

bool k_wide_output(const struct k_wide_channel *channel, int64_t acc, const struct k_limits *limits,
                   int32_t *y)
{
    int32_t by = 15 - channel->shift;                              /* 8 ... 46 */
    int64_t product = (acc + channel->bias) * channel->multiplier; /* < 2^47 * 2^15 */
    int64_t scaled = shr64(product + ((int64_t)1 << (by - 1)), by);
    if (scaled > INT32_MAX || scaled < INT32_MIN)
        return false;
    *y = scaled < limits->lo ? limits->lo : scaled > limits->hi ? limits->hi : (int32_t)scaled;
    return true;
}
