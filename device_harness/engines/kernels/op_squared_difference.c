/* SQUARED_DIFFERENCE, int8 or int16 (see sum.h), or int32 (integers.h), with broadcasting. */
#include "integers.h"
#include "operators.h"
#include "sum.h"

enum cv_status k_squared_difference_prepare(struct k_load *l, struct k_op *op)
{
    return k_writes_integers(l->graph, op) ? k_integers_prepare(l, op, K_SQUARE, 0) : k_square_prepare(l, op);
}

enum cv_status k_squared_difference_run(const struct k_graph *g, const struct k_op *op)
{
    return k_writes_integers(g, op) ? k_integers_run(g, op) : k_sum_run(g, op);
}
