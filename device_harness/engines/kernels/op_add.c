/* ADD, int8 or int16 (see sum.h), or int32 (integers.h), with broadcasting. */
#include "integers.h"
#include "operators.h"
#include "schema.h"
#include "sum.h"

enum cv_status k_add_prepare(struct k_load *l, struct k_op *op)
{
    if (k_writes_integers(l->graph, op))
        return k_integers_prepare(l, op, K_SUM, ADD_ACTIVATION);
    return k_sum_prepare(l, op, 1, ADD_ACTIVATION);
}

enum cv_status k_add_run(const struct k_graph *g, const struct k_op *op)
{
    return k_writes_integers(g, op) ? k_integers_run(g, op) : k_sum_run(g, op);
}
