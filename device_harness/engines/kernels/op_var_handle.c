/* VAR_HANDLE: names a variable; its output has no bytes. See resource.h. */
#include <string.h>

#include "operators.h"
#include "refuse.h"
#include "resource.h"
#include "schema.h"

enum cv_status k_var_handle_prepare(struct k_load *l, struct k_op *op)
{
    struct fb_reader *fb = &l->graph->file;
    const struct k_tensor *handle = &l->graph->tensors[op->output];
    struct fb_vector name = fb_vector(fb, op->options, VAR_HANDLE_SHARED_NAME, 1);
    if (handle->type != K_RESOURCE || handle->n_elements != 1)
        return k_refuse_tensor(l, CV_UNSUPPORTED, op->output, "is no handle of a variable");
    if (fb_vector(fb, op->options, VAR_HANDLE_CONTAINER, 1).n > 0)
        return k_refuse(l, CV_UNSUPPORTED, "a variable in a container");
    if (memchr(fb->data + name.at, 0, name.n) != NULL)
        return k_refuse(l, CV_UNSUPPORTED, "a variable's name with a zero byte");
    op->plan = k_resource_made(l, name);
    return op->plan == NULL ? CV_NO_ARENA : CV_OK;
}

enum cv_status k_var_handle_run(const struct k_graph *g, const struct k_op *op)
{
    (void)g;
    (void)op;
    return CV_OK;
}
