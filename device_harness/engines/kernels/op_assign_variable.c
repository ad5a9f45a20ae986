/* ASSIGN_VARIABLE: a variable takes the bytes of a tensor; there is no output. See resource.h. */
#include <string.h>

#include "operators.h"
#include "quantize.h"
#include "refuse.h"
#include "resource.h"

/* What the variable holds after a reset in every byte, by the first tensor that is assigned to it. */
static enum cv_status set_start(struct k_load *l, uint32_t tensor, struct k_resource *r)
{
    const struct k_tensor *t = &l->graph->tensors[tensor];
    uint64_t zero = k_is_quantized(t) ? fb_vector_u64(&l->graph->file, t->zero_points, 0) : 0;
    if (zero != 0 && (t->type != K_INT8 || zero + 128u >= 256u))
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "is a variable with this zero point");
    r->zero = (uint8_t)(zero & 0xFFu);
    r->is_assigned = true;
    return CV_OK;
}

enum cv_status k_assign_variable_prepare(struct k_load *l, struct k_op *op)
{
    enum cv_status status = k_resource_use(l, op, op->inputs[0], op->inputs[1]);
    struct k_resource *r = op->plan;
    return status == CV_OK && !r->is_assigned ? set_start(l, op->inputs[1], r) : status;
}

enum cv_status k_assign_variable_run(const struct k_graph *g, const struct k_op *op)
{
    const struct k_resource *r = op->plan;
    memcpy(r->data, k_read(g, op->inputs[1]), r->n_bytes);
    return CV_OK;
}
