/* ADD_N, int8: the sum of up to 16 inputs of one shape and quantization. See units.h. */
#include "channels.h"
#include "movement.h"
#include "operators.h"
#include "quantize.h"
#include "refuse.h"
#include "units.h"

static enum cv_status check(struct k_load *l, const struct k_op *op, uint32_t i)
{
    const struct k_graph *g = l->graph;
    uint32_t first = op->inputs[0];
    if (op->inputs[i] == K_NONE)
        return k_refuse_number(l, CV_BAD_MODEL, "lacks its input", i);
    enum cv_status status = k_check_int8(l, op->inputs[i]);
    if (status == CV_OK && (k_scale(g, op->inputs[i]) != k_scale(g, first) ||
                            k_zero_point(g, op->inputs[i]) != k_zero_point(g, first)))
        status = k_refuse_tensor(l, CV_UNSUPPORTED, op->inputs[i], "is quantized differently from the first");
    return status == CV_OK ? k_check_same_shape(l, op->inputs[i], op->output) : status;
}

enum cv_status k_add_n_prepare(struct k_load *l, struct k_op *op)
{
    enum cv_status status = k_check_int8(l, op->output);
    for (uint32_t i = 0; status == CV_OK && i < op->n_inputs; i++)
        status = check(l, op, i);
    if (status == CV_OK)
        status = k_count_macs(l, (uint64_t)l->graph->tensors[op->output].n_elements * op->n_inputs);
    struct k_units *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    op->plan = p;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    return k_units_prepare(l, op, p);
}

enum cv_status k_add_n_run(const struct k_graph *g, const struct k_op *op)
{
    const struct k_units *p = op->plan;
    int8_t *y = k_write(g, op->output);
    for (uint32_t i = 0; i < g->tensors[op->output].n_elements; i++) {
        int64_t total = 0;
        for (uint32_t k = 0; k < op->n_inputs; k++)
            total += k_read(g, op->inputs[k])[i] - p->z_in;
        if (!k_units_output(p, total, y + i))
            return CV_ENGINE;
    }
    return CV_OK;
}
