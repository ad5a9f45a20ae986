/* Tables of 256 outputs: see lookup.h. */
#include "lookup.h"

#include "channels.h"
#include "fixedpoint.h"
#include "movement.h"
#include "quantize.h"
#include "refuse.h"

enum cv_status k_lookup_prepare(struct k_load *l, struct k_op *op, struct k_lookup **table)
{
    enum cv_status status = k_check_int8(l, op->output);
    return status == CV_OK ? k_lookup_prepare_any(l, op, table) : status;
}

enum cv_status k_lookup_prepare_any(struct k_load *l, struct k_op *op, struct k_lookup **table)
{
    enum cv_status status = k_check_int8(l, op->inputs[0]);
    if (status == CV_OK)
        status = k_check_same_shape(l, op->inputs[0], op->output);
    if (status == CV_OK)
        status = k_count_macs(l, l->graph->tensors[op->output].n_elements);
    if (status != CV_OK)
        return status;
    *table = k_alloc(l, sizeof **table);
    op->plan = *table;
    return *table == NULL ? CV_NO_ARENA : CV_OK;
}

enum cv_status k_lookup_scaled(struct k_load *l, int32_t x, int32_t multiplier, int32_t shift, int32_t *y)
{
    int64_t wide = shift > 0 ? (int64_t)x * ((int64_t)1 << shift) : x; /* |x| <= 2^20, shift <= 30 */
    if (wide > INT32_MAX || wide < INT32_MIN)
        return k_refuse(l, CV_UNSUPPORTED, "a value times its left shift leaves int32");
    *y = k_requantize(x, multiplier, shift);
    return CV_OK;
}

enum cv_status k_lookup_run(const struct k_graph *g, const struct k_op *op)
{
    const struct k_lookup *table = op->plan;
    const int8_t *x = k_read(g, op->inputs[0]);
    int8_t *y = k_write(g, op->output);
    for (uint32_t i = 0; i < g->tensors[op->output].n_elements; i++)
        y[i] = table->values[x[i] + 128];
    return CV_OK;
}
