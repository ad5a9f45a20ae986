/* VAR_HANDLE: names a variable; its output has no bytes. See resource.h. */
#include "operators.h"
#include "refuse.h"
#include "resource.h"
#include "schema.h"

enum cv_status k_var_handle_prepare(struct k_load *l, struct k_op *op)
{
    const struct k_tensor *handle = &l->graph->tensors[op->output];
    struct fb_vector name = {0, 0};
    if (handle->type != K_RESOURCE || handle->n_elements != 1)
        return k_refuse_tensor(l, CV_UNSUPPORTED, op->output, "is no handle of a variable");
    enum cv_status status = k_resource_name(l, op->options, &name);
    if (status != CV_OK)
        return status;
    bool has_container = fb_vector(&l->graph->file, op->options, VAR_HANDLE_CONTAINER, 1).at != 0;
    for (const struct k_resource *r = l->graph->resources; r != NULL; r = r->next)
        if (has_container && !r->has_container) /* TFLM would look behind a null pointer */
            return k_refuse(l, CV_UNSUPPORTED, "an empty container, and an earlier handle has none");
    bool is_new = k_resource_named(l->graph, name) == NULL;
    struct k_resource *r = k_resource_made(l, name);
    if (r == NULL)
        return CV_NO_ARENA;
    if (is_new)
        r->has_container = has_container;
    op->plan = r;
    return CV_OK;
}

enum cv_status k_var_handle_run(const struct k_graph *g, const struct k_op *op)
{
    (void)g;
    (void)op;
    return CV_OK;
}
