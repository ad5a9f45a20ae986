/* DIV of INT32, truncated towards zero, with broadcasting: see integers.h. */
#include "integers.h"
#include "operators.h"
#include "schema.h"

enum cv_status k_div_prepare(struct k_load *l, struct k_op *op)
{
    return k_integers_prepare(l, op, K_QUOTIENT, DIV_ACTIVATION);
}

enum cv_status k_div_run(const struct k_graph *g, const struct k_op *op)
{
    return k_integers_run(g, op);
}
