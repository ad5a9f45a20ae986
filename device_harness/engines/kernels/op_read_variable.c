/* READ_VARIABLE: the bytes of a variable. See resource.h. */
#include <string.h>

#include "operators.h"
#include "resource.h"

enum cv_status k_read_variable_prepare(struct k_load *l, struct k_op *op)
{
    return k_resource_use(l, op, op->inputs[0], op->output);
}

enum cv_status k_read_variable_run(const struct k_graph *g, const struct k_op *op)
{
    const struct k_resource *r = op->plan;
    memcpy(k_write(g, op->output), r->data, r->n_bytes);
    return CV_OK;
}
