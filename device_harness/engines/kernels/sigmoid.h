/* What do LOGISTIC and TANH share? A function of Q4.27 on every int8, saturated beyond a radius. */
#ifndef COVERIFY_SIGMOID_H
#define COVERIFY_SIGMOID_H

#include "graph.h"

/* Fills the operator's table with function(x scaled to Q4.27), clamped to int8; -128 and 127 beyond the
 * radius within which the scaled input fits Q4.27. */
enum cv_status k_sigmoid_prepare(struct k_load *l, struct k_op *op, int32_t (*function)(int32_t));

#endif
