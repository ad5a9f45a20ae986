/* Variable tensors: see state.h. */
#include "state.h"

#include <string.h>

#include "quantize.h"
#include "refuse.h"

static void mark_kept(struct k_load *l, struct k_tensor *t)
{
    t->is_shown = t->first == (int32_t)l->op;
    t->keeper = (int32_t)l->op;
    t->first = -1;
    t->last = K_FOREVER;
    l->graph->n_kept++;
}

enum cv_status k_keep_output(struct k_load *l, uint32_t tensor)
{
    struct k_tensor *t = &l->graph->tensors[tensor];
    if (t->is_variable)
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "is a variable");
    mark_kept(l, t);
    return CV_OK;
}

enum cv_status k_keep_bytes(struct k_load *l, struct k_op *op, uint64_t n)
{
    if (n > K_MAX_TENSOR_BYTES)
        return k_refuse(l, CV_UNSUPPORTED, "keeps too much");
    op->kept = k_alloc(l, n);
    op->n_kept = (uint32_t)n;
    return op->kept == NULL ? CV_NO_ARENA : CV_OK;
}

enum cv_status k_keep(struct k_load *l, uint32_t tensor)
{
    struct k_tensor *t = &l->graph->tensors[tensor];
    if (!t->is_variable || t->constant != NULL || t->n_bytes == 0)
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "is no variable of known size");
    if (t->keeper != K_NEVER)
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "is a variable that another operator keeps");
    if (k_is_quantized(t) && (k_zero_point(l->graph, tensor) < -128 || k_zero_point(l->graph, tensor) > 127))
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "is a variable whose zero is no int8");
    mark_kept(l, t);
    return CV_OK;
}

static enum cv_status check(struct k_load *l, uint32_t tensor)
{
    const struct k_tensor *t = &l->graph->tensors[tensor];
    if (!t->is_variable || t->keeper == (int32_t)l->op || (t->keeper != K_NEVER && t->is_shown))
        return CV_OK;
    return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "is a variable of another operator, or of none");
}

enum cv_status k_check_variables(struct k_load *l, const struct k_op *op)
{
    enum cv_status status = CV_OK;
    for (uint32_t i = 0; status == CV_OK && i < op->n_inputs; i++)
        if (op->inputs[i] != K_NONE)
            status = check(l, op->inputs[i]);
    for (uint32_t i = 0; status == CV_OK && i < op->n_outputs; i++)
        status = check(l, op->outputs[i]);
    return status;
}

void k_state_reset(const struct k_graph *g)
{
    for (uint32_t i = 0; i < g->n_ops; i++)
        if (g->ops[i].kept != NULL)
            memset(g->ops[i].kept, 0, g->ops[i].n_kept);
    for (uint32_t i = 0; g->n_kept > 0 && i < g->n_tensors; i++) {
        const struct k_tensor *t = &g->tensors[i];
        if (t->keeper == K_NEVER || t->data == NULL)
            continue;
        int32_t zero = t->type == K_INT8 && k_is_quantized(t) ? k_zero_point(g, i) : 0;
        memset(t->data, zero & 0xFF, t->n_bytes);
    }
}
