/* CONCATENATION and PACK: see joining.h. */
#include "joining.h"

#include <string.h>

#include "channels.h"
#include "movement.h"
#include "quantize.h"
#include "refuse.h"

struct plan {
    uint32_t rows;
};

static enum cv_status check_alike(struct k_load *l, uint32_t input, uint32_t output)
{
    const struct k_graph *g = l->graph;
    enum cv_status status = k_check_int8(l, input);
    if (status == CV_OK)
        status = k_check_int8(l, output);
    if (status == CV_OK &&
        (k_scale(g, input) != k_scale(g, output) || k_zero_point(g, input) != k_zero_point(g, output)))
        status = k_refuse_tensor(l, CV_UNSUPPORTED, input, "is quantized differently from the output");
    return status;
}

enum cv_status k_joining_check(struct k_load *l, const struct k_op *op, bool quantized)
{
    enum cv_status status = CV_OK;
    for (uint32_t i = 0; status == CV_OK && i < op->n_inputs; i++) {
        if (op->inputs[i] == K_NONE)
            return k_refuse_number(l, CV_BAD_MODEL, "lacks its input", i);
        status = k_check_moved(l, op->inputs[i], op->output);
        if (status == CV_OK && quantized && l->graph->tensors[op->output].type == K_INT8)
            status = check_alike(l, op->inputs[i], op->output);
    }
    return status == CV_OK ? k_count_macs(l, l->graph->tensors[op->output].n_elements) : status;
}

enum cv_status k_joining_prepare(struct k_load *l, struct k_op *op, uint32_t rows)
{
    uint64_t n_bytes = 0;
    for (uint32_t i = 0; i < op->n_inputs; i++)
        n_bytes += l->graph->tensors[op->inputs[i]].n_bytes;
    if (n_bytes != l->graph->tensors[op->output].n_bytes)
        return k_refuse(l, CV_BAD_MODEL, "the inputs do not add up to the output");
    struct plan *p = k_alloc(l, sizeof *p);
    op->plan = p;
    if (p == NULL)
        return CV_NO_ARENA;
    p->rows = rows;
    return CV_OK;
}

enum cv_status k_joining_run(const struct k_graph *g, const struct k_op *op)
{
    const struct plan *p = op->plan;
    int8_t *out = k_write(g, op->output);
    for (uint32_t row = 0; row < p->rows; row++)
        for (uint32_t i = 0; i < op->n_inputs; i++) {
            uint32_t n = g->tensors[op->inputs[i]].n_bytes / p->rows;
            memcpy(out, k_read(g, op->inputs[i]) + row * n, n);
            out += n;
        }
    return CV_OK;
}
