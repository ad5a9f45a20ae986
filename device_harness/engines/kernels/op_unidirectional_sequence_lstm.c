/* UNIDIRECTIONAL_SEQUENCE_LSTM, int8 to int8 with an int16 cell: the standard cell, over every time step.
 *
 * Peepholes, projection and layer normalization are refused, as by TFLM. The output's quantization is not heeded:
 * it holds hidden states. Where a multiplier's left shift leaves int32, the run ends with CV_ENGINE.
 * Source: TFLM lstm_eval.h, lstm_eval_common.cc, unidirectional_sequence_lstm.cc.
 */
#include <string.h>

#include "bytes.h"
#include "channels.h"
#include "lstm_cell.h"
#include "operators.h"
#include "refuse.h"
#include "schema.h"
#include "state.h"

#define N_INPUTS 24u

enum ends { X = 0, WEIGHTS = 1, RECURRENT = 5, BIASES = 12, HIDDEN = 18, CELL = 19 };

struct plan {
    struct k_lstm lstm;
    uint32_t batches;
    uint32_t times;
    bool time_major;
};

static bool is_absent_input(uint32_t i)
{
    return i > 8u && i != HIDDEN && i != CELL && (i < BIASES || i > BIASES + 3u);
}

static enum cv_status check_inputs(struct k_load *l, const struct k_op *op)
{
    if (op->n_inputs != N_INPUTS)
        return k_refuse_number(l, CV_BAD_MODEL, "inputs:", op->n_inputs);
    for (uint32_t i = 0; i < N_INPUTS; i++) {
        if (is_absent_input(i) && op->inputs[i] != K_NONE)
            return k_refuse(l, CV_UNSUPPORTED, "peepholes, projection or layer normalization");
        if (!is_absent_input(i) && op->inputs[i] == K_NONE)
            return k_refuse_number(l, CV_BAD_MODEL, "lacks its input", i);
    }
    return CV_OK;
}

static enum cv_status check_states(struct k_load *l, const struct k_op *op)
{
    enum cv_status status = k_check_int8(l, op->inputs[X]);
    if (status == CV_OK)
        status = k_check_int8(l, op->output);
    if (status == CV_OK)
        status = k_check_int8(l, op->inputs[HIDDEN]);
    if (status == CV_OK)
        status = k_check_quantized(l, op->inputs[CELL], true);
    if (status == CV_OK && k_zero_point(l->graph, op->inputs[CELL]) != 0)
        status = k_refuse_tensor(l, CV_UNSUPPORTED, op->inputs[CELL], "the cell's zero point is not 0");
    if (status == CV_OK && (op->inputs[HIDDEN] == op->output || op->inputs[HIDDEN] == op->inputs[X]))
        status = k_refuse_tensor(l, CV_UNSUPPORTED, op->output, "the hidden state is an end of the operator");
    if (status == CV_OK)
        status = k_keep(l, op->inputs[HIDDEN]);
    return status == CV_OK ? k_keep(l, op->inputs[CELL]) : status;
}

static enum cv_status check_shapes(struct k_load *l, const struct k_op *op, struct plan *p)
{
    const struct k_tensor *x = &l->graph->tensors[op->inputs[X]];
    const struct k_tensor *y = &l->graph->tensors[op->output];
    const struct k_tensor *hidden = &l->graph->tensors[op->inputs[HIDDEN]];
    const struct k_tensor *cell = &l->graph->tensors[op->inputs[CELL]];
    p->time_major = fb_u8(&l->graph->file, op->options, LSTM_TIME_MAJOR, 0) != 0;
    if (x->rank != 3 || y->rank != 3 || x->dims[0] != y->dims[0] || x->dims[1] != y->dims[1])
        return k_refuse(l, CV_UNSUPPORTED, "needs [batch, time, n] or [time, batch, n], twice alike");
    p->batches = (uint32_t)x->dims[p->time_major ? 1 : 0];
    p->times = (uint32_t)x->dims[p->time_major ? 0 : 1];
    p->lstm.n_in = (uint32_t)x->dims[2];
    p->lstm.n_units = (uint32_t)y->dims[2];
    uint64_t n = (uint64_t)p->batches * p->lstm.n_units;
    if (hidden->n_elements != n || cell->n_elements != n || hidden->rank < 2 || hidden->dims[1] != y->dims[2])
        return k_refuse(l, CV_UNSUPPORTED, "states that have not one number per batch and unit");
    return CV_OK;
}

/* sum |w - z_w| * max |x - z_x| + |bias| of a unit fits int32: so does every partial sum */
static enum cv_status check_sums(struct k_load *l, const struct k_lstm_dense *d, uint32_t n_units, uint32_t n,
                                 int32_t z_x)
{
    uint32_t largest = (uint32_t)(z_x < 0 ? 127 - z_x : z_x + 128);
    for (uint32_t unit = 0; unit < n_units; unit++) {
        int64_t bias = d->bias != NULL ? cv_as_i32(cv_load_u32(d->bias + 4u * unit)) : 0;
        uint64_t sum = 0; /* <= 2^28 * 255 */
        for (uint32_t i = 0; i < n; i++) {
            int32_t w = d->weights[unit * n + i] - d->z_w;
            sum += (uint64_t)(w < 0 ? -w : w);
        }
        if (sum * largest + (uint64_t)(bias < 0 ? -bias : bias) > INT32_MAX)
            return k_refuse_number(l, CV_UNSUPPORTED, "accumulator may overflow int32: unit", unit);
    }
    return CV_OK;
}

static enum cv_status read_bias(struct k_load *l, uint32_t tensor, uint32_t n_units, struct k_lstm_dense *d)
{
    const struct k_tensor *t = &l->graph->tensors[tensor];
    if (t->type != K_INT32)
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "the bias is not INT32");
    if (t->constant == NULL)
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "the bias is not a constant");
    if (t->rank != 1 || t->n_elements != n_units)
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "the bias has not one number per unit");
    d->bias = t->constant;
    return CV_OK;
}

/* The weights of one gate for x or for the hidden state, `tensor`, whose rows have n elements. */
static enum cv_status read_dense(struct k_load *l, uint32_t tensor, uint32_t weights, uint32_t n_units,
                                 uint32_t n, struct k_lstm_dense *d)
{
    const struct k_tensor *w = &l->graph->tensors[weights];
    enum cv_status status = k_check_int8(l, weights);
    if (status != CV_OK)
        return status;
    if (w->constant == NULL)
        return k_refuse_tensor(l, CV_UNSUPPORTED, weights, "the weights are not a constant");
    if (w->rank != 2 || (uint32_t)w->dims[0] != n_units || (uint32_t)w->dims[1] != n)
        return k_refuse_tensor(l, CV_UNSUPPORTED, weights, "the weights' shape");
    d->weights = k_read(l->graph, weights);
    d->z_w = k_zero_point(l->graph, weights);
    double scale = (double)k_scale(l->graph, tensor) * (double)k_scale(l->graph, weights) * 4096.0;
    status = k_quantize_multiplier(l, scale, &d->to_gate.multiplier, &d->to_gate.shift);
    return status == CV_OK ? check_sums(l, d, n_units, n, k_zero_point(l->graph, tensor)) : status;
}

static enum cv_status read_gates(struct k_load *l, const struct k_op *op, struct k_lstm *p)
{
    enum cv_status status = CV_OK;
    for (uint32_t g = 0; status == CV_OK && g < K_LSTM_GATES; g++) {
        status = read_bias(l, op->inputs[BIASES + g], p->n_units, &p->input[g]);
        if (status == CV_OK)
            status = read_dense(l, op->inputs[X], op->inputs[WEIGHTS + g], p->n_units, p->n_in, &p->input[g]);
        if (status == CV_OK)
            status = read_dense(l, op->inputs[HIDDEN], op->inputs[RECURRENT + g], p->n_units, p->n_units,
                                &p->recurrent[g]);
    }
    return status;
}

/* The power of two nearest to the cell's scale, times 2^12; refuses what lies next to the middle of two. */
static enum cv_status read_power(struct k_load *l, float scale, int32_t *left)
{
    double mantissa = (double)scale;
    int32_t power = 0;
    for (; mantissa >= 2.0 && power < 3; power++)
        mantissa /= 2.0;
    for (; mantissa < 1.0 && power > -43; power--)
        mantissa *= 2.0;
    if (mantissa > 1.4141155 && mantissa < 1.4143116) /* sqrt(2) times 2^-0.0001 ... 2^0.0001 */
        return k_refuse(l, CV_UNSUPPORTED, "the cell's scale is near the middle of two powers of two");
    *left = 12 + power + (mantissa > 1.4142 ? 1 : 0);
    if (*left < -30 || *left > 14)
        return k_refuse(l, CV_UNSUPPORTED, "the cell's scale is out of range");
    return CV_OK;
}

static enum cv_status read_clip(struct k_load *l, float clip, double scale, int32_t *codes)
{
    double ratio = (double)clip / scale;
    if (!(clip > -3.0e38f && clip < 3.0e38f) || (ratio > 0.0 && ratio < 1.0))
        return k_refuse(l, CV_UNSUPPORTED, "the cell is clipped to 0 or to no number");
    *codes = ratio > 0.0 ? (int32_t)(ratio < 32767.0 ? ratio : 32767.0) : 0;
    return CV_OK;
}

static enum cv_status read_cell(struct k_load *l, const struct k_op *op, struct k_lstm *p)
{
    const double unit = 1.0 / 32768.0; /* of Q0.15 */
    float cell = k_scale(l->graph, op->inputs[CELL]);
    double hidden = (double)k_scale(l->graph, op->inputs[HIDDEN]);
    float clip = fb_f32(&l->graph->file, op->options, LSTM_CELL_CLIP, 0.0f);
    enum cv_status status = read_power(l, cell, &p->cell_left);
    if (status == CV_OK)
        status = read_clip(l, clip, (double)cell, &p->clip);
    if (status == CV_OK)
        status = k_quantize_multiplier(l, unit, &p->forget_cell.multiplier, &p->forget_cell.shift);
    if (status == CV_OK)
        status = k_quantize_multiplier(l, unit * unit / (double)cell, &p->input_cell.multiplier,
                                       &p->input_cell.shift);
    if (status == CV_OK)
        status = k_quantize_multiplier(l, unit * unit / hidden, &p->output.multiplier, &p->output.shift);
    p->z_x = k_zero_point(l->graph, op->inputs[X]);
    p->z_h = k_zero_point(l->graph, op->inputs[HIDDEN]);
    return status;
}

enum cv_status k_unidirectional_sequence_lstm_prepare(struct k_load *l, struct k_op *op)
{
    struct plan *p = k_alloc(l, sizeof *p);
    if (p == NULL)
        return CV_NO_ARENA;
    op->plan = p;
    enum cv_status status = check_inputs(l, op);
    if (status == CV_OK &&
        fb_u8(&l->graph->file, op->options, LSTM_ACTIVATION, ACTIVATION_NONE) != ACTIVATION_TANH)
        status = k_refuse(l, CV_UNSUPPORTED, "the fused activation is not tanh");
    if (status == CV_OK)
        status = check_states(l, op);
    if (status == CV_OK)
        status = check_shapes(l, op, p);
    if (status == CV_OK)
        status = read_gates(l, op, &p->lstm);
    if (status == CV_OK)
        status = read_cell(l, op, &p->lstm);
    if (status != CV_OK)
        return status;
    uint64_t weights = (uint64_t)p->lstm.n_units * ((uint64_t)p->lstm.n_in + p->lstm.n_units);
    return k_count_macs(l, (uint64_t)p->batches * p->times * 4u * weights); /* <= 2^28 * 2^31 */
}

enum cv_status k_unidirectional_sequence_lstm_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *x = k_read(g, op->inputs[X]);
    int8_t *y = k_write(g, op->output);
    for (uint32_t batch = 0; batch < p->batches; batch++) {
        int8_t *hidden = k_write(g, op->inputs[HIDDEN]) + batch * p->lstm.n_units;
        uint8_t *cell = g->tensors[op->inputs[CELL]].data + 2u * batch * p->lstm.n_units;
        for (uint32_t t = 0; t < p->times; t++) {
            uint32_t row = p->time_major ? t * p->batches + batch : batch * p->times + t;
            int8_t *next = y + row * p->lstm.n_units;
            if (!k_lstm_step(&p->lstm, x + row * p->lstm.n_in, hidden, cell, next))
                return CV_ENGINE;
            memcpy(hidden, next, p->lstm.n_units);
        }
    }
    return CV_OK;
}
