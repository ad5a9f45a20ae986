/* What does one time step of an LSTM compute? Four gates in Q3.12, a cell of int16, a hidden state of int8.
 *
 *   gate = clamp16(clamp16(requantize(sum w (x - z_x) + bias)) + clamp16(requantize(sum r (h - z_h))))
 *   c = clamp16(forget * c + input * cell), then within -clip ... clip;  h = tanh(c) * output
 *
 * Each product is requantized and clamped. Source: TFLM lstm_eval.h, CalculateLstmGate, UpdateLstmCell,
 * UpdateLstmHidden.
 */
#ifndef COVERIFY_LSTM_CELL_H
#define COVERIFY_LSTM_CELL_H

#include <stdbool.h>
#include <stdint.h>

/* In the order of the operator's weights, recurrent weights and biases. */
enum k_lstm_gate { K_INPUT_GATE, K_FORGET_GATE, K_CELL_GATE, K_OUTPUT_GATE, K_LSTM_GATES };

struct k_scaling {
    int32_t multiplier;
    int32_t shift;
};

/* The weights of one gate. */
struct k_lstm_dense {
    const int8_t *weights; /* n_units x the length of what they weight */
    const uint8_t *bias;   /* INT32, n_units; NULL: none */
    int32_t z_w;
    struct k_scaling to_gate;
};

struct k_lstm {
    struct k_lstm_dense input[K_LSTM_GATES];
    struct k_lstm_dense recurrent[K_LSTM_GATES];
    struct k_scaling forget_cell;
    struct k_scaling input_cell;
    struct k_scaling output;
    uint32_t n_in;
    uint32_t n_units;
    int32_t z_x;
    int32_t z_h;
    int32_t clip;      /* greatest magnitude of a cell; 0: none */
    int32_t cell_left; /* a cell times 3 * 2^cell_left (negative: halves rounded up) is tanh's argument */
};

/* One step: x[n_in] and hidden[n_units] -> next[n_units], which overlaps neither; cell: INT16[n_units].
 * Needs that no sum of products leaves int32. false: a left shift of a multiplier left int32. */
bool k_lstm_step(const struct k_lstm *p, const int8_t *x, const int8_t *hidden, uint8_t *cell, int8_t *next);

#endif
