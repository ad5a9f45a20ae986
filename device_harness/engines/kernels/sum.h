/* What do ADD, SUB and SQUARED_DIFFERENCE share? Both inputs brought to a common scale, added or subtracted (and
 * squared), brought to the output's: three double-rounding multiplications, with broadcasting. */
#ifndef COVERIFY_SUM_H
#define COVERIFY_SUM_H

#include "graph.h"

/* sign: 1 for a + b, -1 for a - b; activation: the field of the options. */
enum cv_status k_sum_prepare(struct k_load *l, struct k_op *op, int32_t sign, uint32_t activation);

/* (a - b)^2. */
enum cv_status k_square_prepare(struct k_load *l, struct k_op *op);

/* Runs all three. */
enum cv_status k_sum_run(const struct k_graph *g, const struct k_op *op);

#endif
