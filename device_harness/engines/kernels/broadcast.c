/* Broadcasting as numpy does it: see broadcast.h. Source: TFLM reference/binary_function.h. */
#include "broadcast.h"

#include "channels.h"
#include "refuse.h"

/* The size of a tensor on the i-th axis from the right. */
static uint32_t size_from_right(const struct k_tensor *t, uint32_t i)
{
    return i < t->rank ? (uint32_t)t->dims[t->rank - 1u - i] : 1u;
}

static void prepare_strides(const struct k_tensor *in, const struct k_grid *grid, int32_t stride[K_MAX_RANK])
{
    int32_t step = 1;
    for (uint32_t i = 0; i < grid->rank; i++) {
        uint32_t size = size_from_right(in, i);
        stride[grid->rank - 1u - i] = size == 1 ? 0 : step;
        step *= (int32_t)size; /* <= n_elements <= 2^28 */
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
            uint32_t size = size_from_right(in, i);
            if (size == size_from_right(out, i))
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
    prepare_strides(a, grid, grid->stride[0]);
    prepare_strides(b, grid, grid->stride[1]);
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
    prepare_strides(&tensors[op->inputs[0]], first, first->stride[0]);
    prepare_strides(&tensors[op->inputs[1]], others, others->stride[0]);
    prepare_strides(&tensors[op->inputs[2]], others, others->stride[1]);
    return CV_OK;
}
