/* CALL_ONCE's subgraph: see call_once.h. */
#include "call_once.h"

#include "model.h"
#include "refuse.h"
#include "resource.h"
#include "schema.h"

#define MAX_OPERATORS 256u

struct part {
    struct fb_vector codes;
    struct fb_vector buffers;
    struct fb_vector tensors;
    struct fb_vector operators;
};

static enum cv_status open_part(struct k_load *l, const struct k_op *op, struct part *p)
{
    struct fb_reader *fb = &l->graph->file;
    struct fb_table model = fb_root(fb);
    struct fb_vector graphs = fb_vector(fb, model, MODEL_SUBGRAPHS, 4);
    uint32_t index = fb_u32(fb, op->options, CALL_ONCE_SUBGRAPH, 0);
    if (index >= graphs.n)
        return k_refuse_number(l, CV_BAD_MODEL, "no such subgraph:", index);
    struct fb_table graph = fb_vector_table(fb, graphs, index);
    p->codes = fb_vector(fb, model, MODEL_OPERATOR_CODES, 4);
    p->buffers = fb_vector(fb, model, MODEL_BUFFERS, 4);
    p->tensors = fb_vector(fb, graph, GRAPH_TENSORS, 4);
    p->operators = fb_vector(fb, graph, GRAPH_OPERATORS, 4);
    if (p->operators.n > MAX_OPERATORS)
        return k_refuse_number(l, CV_UNSUPPORTED, "too many operators in its subgraph:", p->operators.n);
    return CV_OK;
}

static uint32_t end_of(struct fb_reader *fb, struct fb_table op, uint32_t field, uint32_t i)
{
    struct fb_vector ends = fb_vector(fb, op, field, 4);
    return i < ends.n ? (uint32_t)fb_vector_i32(fb, ends, i) : K_NONE;
}

/* The first VAR_HANDLE of the subgraph that writes that tensor; the number of its operators: none. */
static uint32_t find_handle(struct fb_reader *fb, const struct part *p, uint32_t tensor)
{
    uint32_t i = 0;
    for (; i < p->operators.n; i++) {
        struct fb_table op = fb_vector_table(fb, p->operators, i);
        if (k_model_builtin(fb, p->codes, op) == BUILTIN_VAR_HANDLE &&
            end_of(fb, op, OPERATOR_OUTPUTS, 0) == tensor)
            break;
    }
    return i;
}

/* A handle has one VAR_HANDLE: TFLM takes what the last one that ran has written, over a constant, too. */
static enum cv_status check_handle(struct k_load *l, const struct part *p, uint32_t i)
{
    struct fb_reader *fb = &l->graph->file;
    struct fb_table op = fb_vector_table(fb, p->operators, i);
    uint32_t handle = end_of(fb, op, OPERATOR_OUTPUTS, 0);
    struct fb_vector name = {0, 0};
    if (handle >= p->tensors.n || find_handle(fb, p, handle) != i ||
        fb_u8(fb, fb_vector_table(fb, p->tensors, handle), TENSOR_TYPE, 0) != K_RESOURCE)
        return k_refuse(l, CV_UNSUPPORTED, "its subgraph has a handle that is none, or of two variables");
    return k_resource_name(l, fb_table(fb, op, OPERATOR_OPTIONS), &name);
}

static bool is_start(const struct fb_reader *fb, struct fb_vector data, const struct k_resource *r)
{
    if (data.n != r->n_bytes)
        return false;
    for (uint32_t i = 0; i < data.n; i++)
        if (fb->data[data.at + i] != r->zero)
            return false;
    return true;
}

static enum cv_status check_assignment(struct k_load *l, const struct part *p, struct fb_table op)
{
    struct fb_reader *fb = &l->graph->file;
    uint32_t value = end_of(fb, op, OPERATOR_INPUTS, 1);
    if (k_model_builtin(fb, p->codes, op) != BUILTIN_ASSIGN_VARIABLE || value >= p->tensors.n)
        return k_refuse(l, CV_UNSUPPORTED, "its subgraph has an operator that assigns no constant");
    struct fb_table tensor = fb_vector_table(fb, p->tensors, value);
    uint32_t buffer = fb_u32(fb, tensor, TENSOR_BUFFER, 0);
    struct fb_vector data = {0, 0};
    if (buffer < p->buffers.n)
        data = fb_vector(fb, fb_vector_table(fb, p->buffers, buffer), BUFFER_DATA, 1);
    if (data.n == 0)
        return k_refuse(l, CV_UNSUPPORTED, "its subgraph has an operator that assigns no constant");
    uint32_t handle = find_handle(fb, p, end_of(fb, op, OPERATOR_INPUTS, 0));
    if (handle == p->operators.n)
        return k_refuse(l, CV_UNSUPPORTED, "its subgraph assigns by what is no handle of a variable");
    struct fb_table named = fb_table(fb, fb_vector_table(fb, p->operators, handle), OPERATOR_OPTIONS);
    const struct k_resource *r = k_resource_named(l->graph, fb_vector(fb, named, VAR_HANDLE_SHARED_NAME, 1));
    if (r == NULL || r->n_bytes == 0) /* the network does not use it */
        return CV_OK;
    if (fb_u8(fb, tensor, TENSOR_TYPE, 0) != r->type || !is_start(fb, data, r))
        return k_refuse(l, CV_UNSUPPORTED, "it assigns another value than a variable holds after a reset");
    return CV_OK;
}

enum cv_status k_call_once_check(struct k_load *l, const struct k_op *op)
{
    struct fb_reader *fb = &l->graph->file;
    struct part part;
    enum cv_status status = open_part(l, op, &part);
    for (uint32_t i = 0; status == CV_OK && i < part.operators.n; i++) {
        struct fb_table one = fb_vector_table(fb, part.operators, i);
        bool is_handle = k_model_builtin(fb, part.codes, one) == BUILTIN_VAR_HANDLE;
        status = is_handle ? check_handle(l, &part, i) : check_assignment(l, &part, one);
    }
    if (status == CV_OK && fb->bad)
        return k_refuse(l, CV_BAD_MODEL, "an offset or a length of its subgraph points outside the file");
    return status;
}
