/* One time step of an LSTM: see lstm_cell.h. */
#include "lstm_cell.h"

#include <stddef.h>

#include "bytes.h"
#include "fixedpoint.h"
#include "wide_sigmoid.h"

/* false: x times its left shift leaves int32, which TFLM leaves undefined. */
static bool scaled(int32_t x, const struct k_scaling *s, int32_t *y)
{
    int32_t left = s->shift > 0 ? s->shift : 0;
    *y = k_requantize(x, s->multiplier, s->shift);
    return k_shr(INT32_MIN, left) <= x && x <= k_shr(INT32_MAX, left);
}

/* What a unit's weights of x (or of the hidden state) add to its gate. */
static bool weighted(const struct k_lstm_dense *d, uint32_t unit, const int8_t *x, uint32_t n, int32_t z_x,
                     int32_t *part)
{
    const int8_t *w = d->weights + unit * n;
    int32_t acc = d->bias != NULL ? cv_as_i32(cv_load_u32(d->bias + 4u * unit)) : 0;
    for (uint32_t i = 0; i < n; i++)
        acc += (w[i] - d->z_w) * (x[i] - z_x);
    bool fits = scaled(acc, &d->to_gate, part);
    *part = k_clamp16(*part);
    return fits;
}

static bool run_gate(const struct k_lstm *p, enum k_lstm_gate gate, uint32_t unit, const int8_t *x,
                     const int8_t *hidden, int32_t *value)
{
    int32_t of_input = 0;
    int32_t of_hidden = 0;
    bool fits = weighted(&p->input[gate], unit, x, p->n_in, p->z_x, &of_input) &&
                weighted(&p->recurrent[gate], unit, hidden, p->n_units, p->z_h, &of_hidden);
    *value = 3 * k_clamp16(of_input + of_hidden); /* as wide_sigmoid.h wants it */
    return fits;
}

/* The cell as tanh's argument; |c| <= 2^15, -30 <= left <= 14. */
static int32_t tanh_argument(int32_t c, int32_t left)
{
    return left >= 0 ? 3 * c * (1 << left) : k_shr(3 * c + (1 << (-left - 1)), -left);
}

static bool update_cell(const struct k_lstm *p, const int32_t gates[K_LSTM_GATES], int32_t *c)
{
    int32_t kept = 0;
    int32_t added = 0;
    if (!scaled(k_wide_logistic(gates[K_FORGET_GATE]) * *c, &p->forget_cell, &kept) ||
        !scaled(k_wide_logistic(gates[K_INPUT_GATE]) * k_wide_tanh(gates[K_CELL_GATE]), &p->input_cell,
                &added))
        return false;
    *c = k_clamp16(k_clamp16(kept) + k_clamp16(added));
    if (p->clip > 0)
        *c = *c < -p->clip ? -p->clip : *c > p->clip ? p->clip : *c;
    return true;
}

static bool run_unit(const struct k_lstm *p, uint32_t unit, const int8_t *x, const int8_t *hidden,
                     uint8_t *cell, int8_t *next)
{
    int32_t gates[K_LSTM_GATES];
    for (uint32_t gate = 0; gate < K_LSTM_GATES; gate++)
        if (!run_gate(p, (enum k_lstm_gate)gate, unit, x, hidden, &gates[gate]))
            return false;
    int32_t c = (int32_t)cv_load_u16(cell);
    c = c > INT16_MAX ? c - 0x10000 : c;
    if (!update_cell(p, gates, &c))
        return false;
    cv_store_u16(cell, (uint16_t)((uint32_t)c & 0xFFFFu));
    int32_t h = k_wide_tanh(tanh_argument(c, p->cell_left)) * k_wide_logistic(gates[K_OUTPUT_GATE]);
    if (!scaled(h, &p->output, &h))
        return false;
    int64_t code = (int64_t)h + p->z_h;
    *next = (int8_t)(code < INT8_MIN ? INT8_MIN : code > INT8_MAX ? INT8_MAX : code);
    return true;
}

bool k_lstm_step(const struct k_lstm *p, const int8_t *x, const int8_t *hidden, uint8_t *cell, int8_t *next)
{
    for (uint32_t unit = 0; unit < p->n_units; unit++)
        if (!run_unit(p, unit, x, hidden, cell + 2u * unit, next + unit))
            return false;
    return true;
}
