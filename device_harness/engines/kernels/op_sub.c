/* SUB, int8 or int16, with broadcasting: see sum.h. */
#include "operators.h"
#include "schema.h"
#include "sum.h"

enum cv_status k_sub_prepare(struct k_load *l, struct k_op *op)
{
    return k_sum_prepare(l, op, -1, SUB_ACTIVATION);
}

enum cv_status k_sub_run(const struct k_graph *g, const struct k_op *op)
{
    return k_sum_run(g, op);
}
