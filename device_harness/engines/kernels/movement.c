/* Operators that only move elements: see movement.h. */
#include "movement.h"

#include <string.h>

#include "bytes.h"
#include "refuse.h"

uint32_t k_movable_width(const struct k_tensor *t)
{
    if (t->type != K_INT8 && t->type != K_INT16 && t->type != K_INT32 && t->type != K_FLOAT32)
        return 0;
    return t->n_elements == 0 ? 0 : t->n_bytes / t->n_elements;
}

enum cv_status k_check_moved(struct k_load *l, uint32_t input, uint32_t output)
{
    const struct k_tensor *in = &l->graph->tensors[input];
    const struct k_tensor *out = &l->graph->tensors[output];
    if (k_movable_width(in) == 0)
        return k_refuse_tensor(l, CV_UNSUPPORTED, input, "its type, or its shape is dynamic or too large");
    if (k_movable_width(out) == 0)
        return k_refuse_tensor(l, CV_UNSUPPORTED, output, "its type, or its shape is dynamic or too large");
    return in->type == out->type ? CV_OK : k_refuse(l, CV_BAD_MODEL, "input and output differ in type");
}

enum cv_status k_check_moved_of_few_types(struct k_load *l, uint32_t input, uint32_t output)
{
    uint8_t type = l->graph->tensors[input].type;
    if (type != K_INT8 && type != K_FLOAT32)
        return k_refuse_tensor(l, CV_UNSUPPORTED, input, k_type_name(type));
    return k_check_moved(l, input, output);
}

enum cv_status k_check_same_shape(struct k_load *l, uint32_t input, uint32_t output)
{
    const struct k_tensor *in = &l->graph->tensors[input];
    const struct k_tensor *out = &l->graph->tensors[output];
    if (in->rank != out->rank || memcmp(in->dims, out->dims, in->rank * sizeof in->dims[0]) != 0)
        return k_refuse(l, CV_BAD_MODEL, "input and output differ in shape");
    return CV_OK;
}

static enum cv_status check_constant(struct k_load *l, uint32_t tensor, uint32_t n)
{
    const struct k_tensor *t = &l->graph->tensors[tensor];
    if (t->constant == NULL)
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "is not a constant");
    if (t->n_elements != n)
        return k_refuse_tensor(l, CV_BAD_MODEL, tensor, "the number of its elements");
    return CV_OK;
}

enum cv_status k_check_integers(struct k_load *l, uint32_t tensor, uint32_t n)
{
    if (l->graph->tensors[tensor].type != K_INT32)
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "only INT32 is supported here");
    return check_constant(l, tensor, n);
}

enum cv_status k_check_integers_or_wide(struct k_load *l, uint32_t tensor, uint32_t n)
{
    const struct k_tensor *t = &l->graph->tensors[tensor];
    if (t->type != K_INT64)
        return k_check_integers(l, tensor, n);
    enum cv_status status = check_constant(l, tensor, n);
    for (uint32_t i = 0; status == CV_OK && i < n; i++)
        if (cv_load_u64(t->constant + 8u * i) + 0x80000000u > 0xFFFFFFFFu)
            status = k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "holds an integer beyond int32");
    return status;
}

int32_t k_integer(const struct k_graph *g, uint32_t tensor, uint32_t i)
{
    uint32_t width = g->tensors[tensor].type == K_INT64 ? 8u : 4u;
    return cv_as_i32(cv_load_u32(g->tensors[tensor].constant + width * i)); /* of INT64 the low half */
}

enum cv_status k_check_axis(struct k_load *l, int32_t axis, uint32_t rank, uint32_t *from_front)
{
    if (axis >= (int32_t)rank || axis < -(int32_t)rank)
        return k_refuse_number(l, CV_BAD_MODEL, "axis", axis);
    *from_front = (uint32_t)(axis < 0 ? axis + (int32_t)rank : axis);
    return CV_OK;
}

uint32_t k_elements(const struct k_tensor *t, uint32_t from, uint32_t to)
{
    uint32_t n = 1;
    for (uint32_t i = from; i < to; i++)
        n *= (uint32_t)t->dims[i];
    return n;
}

void k_strides(const struct k_tensor *t, int32_t stride[K_MAX_RANK])
{
    int32_t step = 1;
    for (uint32_t i = t->rank; i > 0; i--) {
        stride[i - 1] = step;
        step *= t->dims[i - 1]; /* <= n_elements <= 2^28 */
    }
}

void k_copy_run(const struct k_copy *copy, const int8_t *from, int8_t *to)
{
    struct k_position at = {{0}, {copy->start[0], copy->start[1]}};
    int32_t width = (int32_t)copy->width;
    uint32_t n = k_grid_size(&copy->grid);
    for (uint32_t i = 0; i < n; i++, k_grid_advance(&copy->grid, &at))
        memcpy(to + at.offset[1] * width, from + at.offset[0] * width, copy->width);
}

enum cv_status k_copied_run(const struct k_graph *g, const struct k_op *op)
{
    k_copy_run(op->plan, k_read(g, op->inputs[0]), k_write(g, op->output));
    return CV_OK;
}
