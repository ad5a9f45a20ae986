/* CAST between INT8, INT16, INT32 and UINT32: the low bits of the value; and from BOOL. Source: TFLM cast.cc. */
#include "channels.h"
#include "elements.h"
#include "movement.h"
#include "operators.h"
#include "quantize.h"
#include "refuse.h"

static bool is_castable(uint8_t type)
{
    return type == K_INT8 || type == K_INT16 || type == K_INT32 || type == K_UINT32;
}

static enum cv_status check(struct k_load *l, uint32_t tensor)
{
    const struct k_tensor *t = &l->graph->tensors[tensor];
    if (!is_castable(t->type))
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, k_type_name(t->type));
    return k_check_type(l, tensor, (enum k_type)t->type);
}

enum cv_status k_cast_prepare(struct k_load *l, struct k_op *op)
{
    bool is_bool = l->graph->tensors[op->inputs[0]].type == K_BOOL;
    enum cv_status status = is_bool ? k_check_bool(l, op->inputs[0]) : check(l, op->inputs[0]);
    if (status == CV_OK)
        status = check(l, op->output);
    if (status == CV_OK)
        status = k_check_same_shape(l, op->inputs[0], op->output);
    return status == CV_OK ? k_count_macs(l, l->graph->tensors[op->output].n_elements) : status;
}

/* The i-th element, sign-extended, modulo 2^32. */
static uint32_t load(uint8_t type, const int8_t *x, uint32_t i)
{
    switch (type) {
    case K_BOOL:
    case K_INT8: return (uint32_t)(int32_t)x[i];
    case K_INT16: return (uint32_t)k_load_i16(x, i);
    default: return k_load_u32(x, i);
    }
}

static void store(uint8_t type, int8_t *y, uint32_t i, uint32_t value)
{
    switch (type) {
    case K_INT8: ((uint8_t *)y)[i] = (uint8_t)(value & 0xFFu); break;
    case K_INT16: k_store_i16(y, i, cv_as_i32(value)); break;
    default: k_store_u32(y, i, value); break;
    }
}

enum cv_status k_cast_run(const struct k_graph *g, const struct k_op *op)
{
    const struct k_tensor *in = &g->tensors[op->inputs[0]];
    const struct k_tensor *out = &g->tensors[op->output];
    for (uint32_t i = 0; i < out->n_elements; i++)
        store(out->type, k_write(g, op->output), i, load(in->type, k_read(g, op->inputs[0]), i));
    return CV_OK;
}
