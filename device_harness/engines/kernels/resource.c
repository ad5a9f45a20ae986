/* Resource variables: see resource.h. */
#include "resource.h"

#include <string.h>

#include "call_once.h"
#include "channels.h"
#include "movement.h"
#include "refuse.h"
#include "schema.h"

enum cv_status k_resource_name(struct k_load *l, struct fb_table options, struct fb_vector *name)
{
    struct fb_reader *fb = &l->graph->file;
    *name = fb_vector(fb, options, VAR_HANDLE_SHARED_NAME, 1);
    if (!fb->bad && name->at == 0)
        return k_refuse(l, CV_UNSUPPORTED, "a variable without a name");
    if (fb_vector(fb, options, VAR_HANDLE_CONTAINER, 1).n > 0)
        return k_refuse(l, CV_UNSUPPORTED, "a variable in a container");
    if (memchr(fb->data + name->at, 0, name->n) != NULL)
        return k_refuse(l, CV_UNSUPPORTED, "a variable's name with a zero byte");
    return CV_OK;
}

struct k_resource *k_resource_named(const struct k_graph *g, struct fb_vector name)
{
    for (struct k_resource *r = g->resources; r != NULL; r = r->next)
        if (r->name.n == name.n && memcmp(g->file.data + r->name.at, g->file.data + name.at, name.n) == 0)
            return r;
    return NULL;
}

struct k_resource *k_resource_made(struct k_load *l, struct fb_vector name)
{
    struct k_resource *r = k_resource_named(l->graph, name);
    if (r != NULL)
        return r;
    r = k_alloc(l, sizeof *r);
    if (r == NULL)
        return NULL;
    r->name = name;
    r->next = l->graph->resources;
    l->graph->resources = r;
    return r;
}

/* The VAR_HANDLE that writes a tensor leaves the variable as its plan. NULL: no handle. */
static struct k_resource *of_handle(const struct k_graph *g, uint32_t tensor)
{
    const struct k_tensor *t = &g->tensors[tensor];
    if (t->type != K_RESOURCE || t->first < 0)
        return NULL;
    const struct k_op *writer = &g->ops[t->first];
    return writer->kind->builtin == BUILTIN_VAR_HANDLE ? writer->plan : NULL;
}

enum cv_status k_resource_use(struct k_load *l, struct k_op *op, uint32_t handle, uint32_t tensor)
{
    const struct k_tensor *t = &l->graph->tensors[tensor];
    struct k_resource *r = of_handle(l->graph, handle);
    if (r == NULL)
        return k_refuse_tensor(l, CV_UNSUPPORTED, handle, "is no handle of a variable");
    if (k_movable_width(t) == 0 || t->n_bytes == 0)
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "a variable of this type, or of unknown size");
    if (r->n_bytes == 0) {
        r->data = k_alloc(l, t->n_bytes);
        if (r->data == NULL)
            return CV_NO_ARENA;
        r->n_bytes = t->n_bytes;
        r->type = t->type;
        r->user = l->op;
    }
    if (r->n_bytes != t->n_bytes || r->type != t->type)
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "has not the type or the size of the variable");
    op->plan = r;
    return k_count_macs(l, t->n_elements);
}

enum cv_status k_resources_check(struct k_load *l)
{
    for (const struct k_resource *r = l->graph->resources; r != NULL; r = r->next)
        if (r->n_bytes != 0 && !r->is_assigned) {
            l->op = r->user;
            return k_refuse(l, CV_UNSUPPORTED, "a variable that no operator assigns");
        }
    for (uint32_t i = 0; i < l->graph->n_ops; i++) {
        l->op = i;
        enum cv_status status = CV_OK;
        if (l->graph->ops[i].kind->builtin == BUILTIN_CALL_ONCE)
            status = k_call_once_check(l, &l->graph->ops[i]);
        if (status != CV_OK)
            return status;
    }
    l->op = CV_NO_DETAIL;
    return CV_OK;
}

void k_resources_reset(const struct k_graph *g)
{
    for (const struct k_resource *r = g->resources; r != NULL; r = r->next)
        if (r->n_bytes != 0)
            memset(r->data, r->zero, r->n_bytes);
}
