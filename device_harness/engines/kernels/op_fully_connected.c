/* FULLY_CONNECTED, int8: y = requantize(sum (w - z_w)(x - z_x) + bias) + z_y.
 *
 * Per tensor the filter's zero point counts; per channel it is ignored. Source: TFLM
 * fully_connected_common.cc and reference/integer_ops/fully_connected.h.
 */
#include "channels.h"
#include "fixedpoint.h"
#include "operators.h"
#include "refuse.h"
#include "schema.h"

struct plan {
    const int8_t *weights; /* n_out x n_in */
    struct k_channel *channels;
    uint32_t batches;
    uint32_t n_in;
    uint32_t n_out;
    int32_t z_in;
    int32_t z_w;
    int32_t z_out;
    struct k_limits limits;
};

static enum cv_status check_shapes(struct k_load *l, const struct k_op *op, struct plan *p)
{
    const struct k_tensor *in = &l->graph->tensors[op->inputs[0]];
    const struct k_tensor *filter = &l->graph->tensors[op->inputs[1]];
    const struct k_tensor *out = &l->graph->tensors[op->output];
    p->n_out = (uint32_t)filter->dims[0];
    p->n_in = (uint32_t)filter->dims[1];
    if (out->rank == 0 || (uint32_t)out->dims[out->rank - 1] != p->n_out)
        return k_refuse(l, CV_BAD_MODEL, "the output's last dimension is not the filter's first");
    p->batches = out->n_elements / p->n_out;
    if (in->n_elements % p->n_in != 0 || in->n_elements / p->n_in != p->batches)
        return k_refuse(l, CV_BAD_MODEL, "the input's size is not batches x the filter's last dimension");
    return k_count_macs(l, (uint64_t)out->n_elements * p->n_in);
}

/* Per tensor TFLM refuses a bias whose scale is not that of input times weights. */
static enum cv_status check_bias_scale(struct k_load *l, const struct k_op *op)
{
    const struct k_graph *g = l->graph;
    uint32_t bias = op->n_inputs > 2 ? op->inputs[2] : K_NONE;
    if (bias == K_NONE || g->tensors[op->inputs[1]].scales.n > 1)
        return CV_OK;
    double product = (double)k_scale(g, op->inputs[0]) * (double)k_scale(g, op->inputs[1]);
    bool has_scale = k_is_quantized(&g->tensors[bias]);
    double difference = product - (has_scale ? (double)k_scale(g, bias) : 0.0);
    double limit = 0.02 * (double)k_scale(g, op->output);
    if (!(difference <= limit && difference >= -limit))
        return k_refuse_tensor(l, CV_UNSUPPORTED, bias, "the bias has not the scale of input times weights");
    return CV_OK;
}

static enum cv_status check(struct k_load *l, const struct k_op *op)
{
    enum cv_status status = k_check_int8(l, op->inputs[0]);
    if (status == CV_OK)
        status = k_check_filter(l, op->inputs[1], 2, 0);
    if (status == CV_OK)
        status = k_check_int8(l, op->output);
    if (status == CV_OK && fb_u8(&l->graph->file, op->options, DENSE_WEIGHTS_FORMAT, 0) != 0)
        status = k_refuse(l, CV_UNSUPPORTED, "shuffled weights");
    return status == CV_OK ? check_bias_scale(l, op) : status;
}

enum cv_status k_fully_connected_prepare(struct k_load *l, struct k_op *op)
{
    struct k_graph *g = l->graph;
    enum cv_status status = check(l, op);
    if (status != CV_OK)
        return status;
    struct plan *p = k_alloc(l, sizeof *p);
    if (p == NULL)
        return CV_NO_ARENA;
    status = check_shapes(l, op, p);
    if (status != CV_OK)
        return status;
    bool per_channel = g->tensors[op->inputs[1]].scales.n > 1;
    p->weights = k_read(g, op->inputs[1]);
    p->z_in = k_zero_point(g, op->inputs[0]);
    p->z_w = per_channel ? 0 : k_zero_point(g, op->inputs[1]);
    p->z_out = k_zero_point(g, op->output);
    struct k_filter filter = {p->weights, p->z_w, p->n_out, p->n_in, p->n_in, 1};
    op->plan = p;
    status =
        k_activation_limits(l, fb_u8(&g->file, op->options, DENSE_ACTIVATION, 0), op->output, &p->limits);
    return status != CV_OK ? status : k_channels(l, op, &filter, &p->channels);
}

/* k_channels has proven |acc| < 2^31 for every partial sum. */
static int32_t accumulate(const int8_t *x, const int8_t *w, uint32_t n, int32_t z_in, int32_t z_w)
{
    int32_t acc = 0;
    for (uint32_t i = 0; i < n; i++)
        acc += (w[i] - z_w) * (x[i] - z_in);
    return acc;
}

enum cv_status k_fully_connected_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *x = k_read(g, op->inputs[0]);
    int8_t *y = k_write(g, op->output);
    for (uint32_t b = 0; b < p->batches; b++, x += p->n_in)
        for (uint32_t c = 0; c < p->n_out; c++) {
            const struct k_channel *ch = &p->channels[c];
            int32_t acc = accumulate(x, p->weights + c * p->n_in, p->n_in, p->z_in, p->z_w) + ch->bias;
            int32_t scaled = k_wrap_add(k_requantize(acc, ch->multiplier, ch->shift), p->z_out);
            *y++ = k_clamp(scaled, p->limits.lo, p->limits.hi);
        }
    return CV_OK;
}
