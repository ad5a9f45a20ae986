/* VAR_HANDLE: names a variable; its output has no bytes. See resource.h. */
#include "operators.h"
#include "refuse.h"
#include "resource.h"

enum cv_status k_var_handle_prepare(struct k_load *l, struct k_op *op)
{
    const struct k_tensor *handle = &l->graph->tensors[op->output];
    struct fb_vector name = {0, 0};
    if (handle->type != K_RESOURCE || handle->n_elements != 1)
        return k_refuse_tensor(l, CV_UNSUPPORTED, op->output, "is no handle of a variable");
    enum cv_status status = k_resource_name(l, op->options, &name);
    if (status != CV_OK)
        return status;
    op->plan = k_resource_made(l, name);
    return op->plan == NULL ? CV_NO_ARENA : CV_OK;
}

enum cv_status k_var_handle_run(const struct k_graph *g, const struct k_op *op)
{
    (void)g;
    (void)op;
    return CV_OK;
}
