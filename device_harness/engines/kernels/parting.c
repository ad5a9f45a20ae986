/* SPLIT, SPLIT_V and UNPACK: see parting.h. */
#include "parting.h"

#include <string.h>

#include "channels.h"
#include "movement.h"
#include "refuse.h"

struct plan {
    uint32_t input;
    uint32_t rows;
};

/* Positions of the input's axis that an output has; 0: its shape does not fit. */
static int32_t taken(const struct k_tensor *in, const struct k_tensor *out, uint32_t axis, bool drops)
{
    if (out->rank + (drops ? 1u : 0u) != in->rank)
        return 0;
    for (uint32_t d = 0; d < in->rank; d++)
        if (d != axis && in->dims[d] != out->dims[drops && d > axis ? d - 1u : d])
            return 0;
    return drops ? 1 : out->dims[axis];
}

static enum cv_status check_outputs(struct k_load *l, const struct k_op *op, uint32_t input, uint32_t axis,
                                    bool drops)
{
    const struct k_tensor *in = &l->graph->tensors[input];
    int64_t sum = 0;
    for (uint32_t i = 0; i < op->n_outputs; i++) {
        enum cv_status status = k_check_moved(l, input, op->outputs[i]);
        if (status != CV_OK)
            return status;
        int32_t n = taken(in, &l->graph->tensors[op->outputs[i]], axis, drops);
        if (n == 0)
            return k_refuse_tensor(l, CV_BAD_MODEL, op->outputs[i], "its shape does not fit the input's");
        sum += n;
    }
    return sum == in->dims[axis] ? CV_OK
                                 : k_refuse(l, CV_BAD_MODEL, "the outputs do not add up to the input");
}

enum cv_status k_parting_prepare(struct k_load *l, struct k_op *op, uint32_t input, uint32_t axis, bool drops)
{
    const struct k_tensor *in = &l->graph->tensors[input];
    enum cv_status status = check_outputs(l, op, input, axis, drops);
    if (status == CV_OK)
        status = k_count_macs(l, in->n_elements);
    struct plan *p = status == CV_OK ? k_alloc(l, sizeof *p) : NULL;
    if (p == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = p;
    p->input = input;
    p->rows = k_elements(in, 0, axis);
    return CV_OK;
}

enum cv_status k_parting_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    const int8_t *from = k_read(g, p->input);
    for (uint32_t row = 0; row < p->rows; row++)
        for (uint32_t i = 0; i < op->n_outputs; i++) {
            uint32_t n = g->tensors[op->outputs[i]].n_bytes / p->rows;
            memcpy(k_write(g, op->outputs[i]) + row * n, from, n);
            from += n;
        }
    return CV_OK;
}
