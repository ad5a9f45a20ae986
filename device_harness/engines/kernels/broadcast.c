/* Broadcasting as numpy does it: see broadcast.h. Source: TFLM reference/binary_function.h. */
#include "broadcast.h"

#include "channels.h"
#include "refuse.h"

int32_t k_size_from_right(const struct k_tensor *t, uint32_t i)
{
    return i < t->rank ? t->dims[t->rank - 1u - i] : 1;
}

void k_broadcast_strides(const struct k_tensor *in, uint32_t rank, int32_t stride[K_MAX_RANK])
{
    int32_t step = 1;
    for (uint32_t i = 0; i < rank; i++) {
        int32_t size = k_size_from_right(in, i);
        stride[rank - 1u - i] = size == 1 ? 0 : step;
        step *= size; /* <= n_elements <= 2^28 */
    }
}

/* Every output size is the largest of the inputs', and each input has that size or 1. */
static bool go_together(const struct k_graph *g, const struct k_op *op)
{
    const struct k_tensor *out = &g->tensors[op->output];
    bool is_met[K_MAX_RANK] = {false};
    for (uint32_t k = 0; k < op->n_inputs; k++) {
        const struct k_tensor *in = &g->tensors[op->inputs[k]];
        if (in->rank > out->rank)
            return false;
        for (uint32_t i = 0; i < out->rank; i++) {
            int32_t size = k_size_from_right(in, i);
            if (size == k_size_from_right(out, i))
                is_met[i] = true;
            else if (size != 1)
                return false;
        }
    }
    for (uint32_t i = 0; i < out->rank; i++)
        if (!is_met[i])
            return false;
    return true;
}

static void prepare_sizes(const struct k_tensor *out, struct k_grid *grid)
{
    grid->rank = out->rank;
    for (uint32_t i = 0; i < out->rank; i++)
        grid->dims[i] = (uint32_t)out->dims[i];
}

enum cv_status k_broadcast_prepare(struct k_load *l, const struct k_op *op, struct k_grid *grid)
{
    enum cv_status status = k_check_int8(l, op->inputs[0]);
    if (status == CV_OK)
        status = k_check_int8(l, op->inputs[1]);
    if (status == CV_OK)
        status = k_check_int8(l, op->output);
    return status == CV_OK ? k_broadcast_grid(l, op, grid) : status;
}

enum cv_status k_broadcast_grid(struct k_load *l, const struct k_op *op, struct k_grid *grid)
{
    const struct k_tensor *a = &l->graph->tensors[op->inputs[0]];
    const struct k_tensor *b = &l->graph->tensors[op->inputs[1]];
    const struct k_tensor *out = &l->graph->tensors[op->output];
    if (!go_together(l->graph, op))
        return k_refuse(l, CV_BAD_MODEL, "the shapes of inputs and output do not go together");
    prepare_sizes(out, grid);
    k_broadcast_strides(a, grid->rank, grid->stride[0]);
    k_broadcast_strides(b, grid->rank, grid->stride[1]);
    return k_count_macs(l, out->n_elements);
}

enum cv_status k_broadcast_three(struct k_load *l, const struct k_op *op, struct k_grid *first,
                                 struct k_grid *others)
{
    const struct k_tensor *tensors = l->graph->tensors;
    if (!go_together(l->graph, op))
        return k_refuse(l, CV_BAD_MODEL, "the shapes of inputs and output do not go together");
    prepare_sizes(&tensors[op->output], first);
    prepare_sizes(&tensors[op->output], others);
    k_broadcast_strides(&tensors[op->inputs[0]], first->rank, first->stride[0]);
    k_broadcast_strides(&tensors[op->inputs[1]], others->rank, others->stride[0]);
    k_broadcast_strides(&tensors[op->inputs[2]], others->rank, others->stride[1]);
    return CV_OK;
}
