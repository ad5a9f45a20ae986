/* From .tflite bytes to a checked graph: see model.h. */
#include "model.h"

#include <string.h>

#include "operators.h"
#include "refuse.h"
#include "resource.h"
#include "schema.h"
#include "state.h"

struct parts {
    struct fb_vector codes;
    struct fb_vector buffers;
    struct fb_vector tensors;
    struct fb_vector inputs;
    struct fb_vector outputs;
    struct fb_vector operators;
};

static enum cv_status refuse_file(struct k_load *l)
{
    return k_refuse(l, CV_BAD_MODEL, "an offset or a length points outside the file");
}

static enum cv_status open_model(struct k_load *l, struct parts *parts)
{
    struct fb_reader *fb = &l->graph->file;
    if (fb->size < 8 || memcmp(fb->data + 4, "TFL3", 4) != 0)
        return k_refuse(l, CV_BAD_MODEL, "not a .tflite file: no identifier TFL3");
    struct fb_table model = fb_root(fb);
    uint32_t version = fb_u32(fb, model, MODEL_VERSION, 0);
    struct fb_vector subgraphs = fb_vector(fb, model, MODEL_SUBGRAPHS, 4);
    parts->codes = fb_vector(fb, model, MODEL_OPERATOR_CODES, 4);
    parts->buffers = fb_vector(fb, model, MODEL_BUFFERS, 4);
    if (fb->bad)
        return refuse_file(l);
    if (version != SCHEMA_VERSION)
        return k_refuse_number(l, CV_UNSUPPORTED, "schema version", version);
    if (subgraphs.n == 0)
        return k_refuse(l, CV_BAD_MODEL, "a model without a subgraph");
    struct fb_table graph = fb_vector_table(fb, subgraphs, 0);
    parts->tensors = fb_vector(fb, graph, GRAPH_TENSORS, 4);
    parts->inputs = fb_vector(fb, graph, GRAPH_INPUTS, 4);
    parts->outputs = fb_vector(fb, graph, GRAPH_OUTPUTS, 4);
    parts->operators = fb_vector(fb, graph, GRAPH_OPERATORS, 4);
    return fb->bad ? refuse_file(l) : CV_OK;
}

static enum cv_status allocate_tables(struct k_load *l, const struct parts *parts)
{
    struct k_graph *g = l->graph;
    if (parts->tensors.n > K_MAX_TENSORS)
        return k_refuse_number(l, CV_UNSUPPORTED, "too many tensors:", parts->tensors.n);
    if (parts->operators.n == 0 || parts->inputs.n == 0 || parts->outputs.n == 0)
        return k_refuse(l, CV_BAD_MODEL, "a model without operators, inputs or outputs");
    if (parts->operators.n > K_MAX_OPERATORS)
        return k_refuse_number(l, CV_UNSUPPORTED, "too many operators:", parts->operators.n);
    if (parts->inputs.n > K_MAX_ENDS || parts->outputs.n > K_MAX_ENDS)
        return k_refuse(l, CV_UNSUPPORTED, "too many model inputs or outputs");
    g->tensors = k_alloc(l, (uint64_t)parts->tensors.n * sizeof *g->tensors);
    g->ops = k_alloc(l, (uint64_t)parts->operators.n * sizeof *g->ops);
    return g->tensors == NULL || g->ops == NULL ? CV_NO_ARENA : CV_OK;
}

/* Bytes per element; 0: not a whole number that we know. Index: TensorType. */
static uint32_t type_bytes(uint8_t type)
{
    static const uint8_t bytes[] = {4, 2, 4, 1, 8, 0, 1, 2, 8, 1, 8, 16, 8, 0, 0, 4, 2, 0, 2};
    return type < sizeof bytes ? bytes[type] : 0;
}

/* Leaves n_elements and n_bytes 0 when the shape is dynamic, empty or beyond the limits. */
static void read_shape(struct fb_reader *fb, struct fb_vector shape, struct k_tensor *t)
{
    uint64_t n = 1;
    if (shape.n > K_MAX_RANK)
        return;
    t->rank = (uint8_t)shape.n;
    for (uint32_t i = 0; i < shape.n; i++) {
        t->dims[i] = fb_vector_i32(fb, shape, i);
        if (t->dims[i] <= 0 || n > K_MAX_TENSOR_BYTES)
            n = 0;
        else
            n *= (uint64_t)t->dims[i]; /* <= 2^28 * 2^31 */
    }
    uint32_t width = type_bytes(t->type);
    if (n > K_MAX_TENSOR_BYTES || n * width > K_MAX_TENSOR_BYTES)
        n = 0;
    t->n_elements = (uint32_t)n;
    t->n_bytes = (uint32_t)n * width;
}

static enum cv_status read_constant(struct k_load *l, struct fb_table buffer, uint32_t index)
{
    struct fb_reader *fb = &l->graph->file;
    struct k_tensor *t = &l->graph->tensors[index];
    struct fb_vector data = fb_vector(fb, buffer, BUFFER_DATA, 1);
    if (fb_u64(fb, buffer, BUFFER_OFFSET, 0) > 1 || fb_u64(fb, buffer, BUFFER_SIZE, 0) > 1)
        return k_refuse_tensor(l, CV_UNSUPPORTED, index, "its buffer lies outside the flatbuffer");
    if (fb->bad || data.n == 0)
        return CV_OK;
    if (t->n_bytes != 0 && data.n != t->n_bytes)
        return k_refuse_tensor(l, CV_BAD_MODEL, index, "its buffer has not the length that its shape needs");
    t->constant = fb->data + data.at;
    return CV_OK;
}

static enum cv_status read_tensor(struct k_load *l, const struct parts *parts, uint32_t index)
{
    struct fb_reader *fb = &l->graph->file;
    struct k_tensor *t = &l->graph->tensors[index];
    struct fb_table table = fb_vector_table(fb, parts->tensors, index);
    struct fb_table quantization = fb_table(fb, table, TENSOR_QUANTIZATION);
    uint32_t buffer = fb_u32(fb, table, TENSOR_BUFFER, 0);
    t->type = fb_u8(fb, table, TENSOR_TYPE, 0);
    t->is_variable = fb_u8(fb, table, TENSOR_IS_VARIABLE, 0) != 0;
    t->is_sparse = fb_table(fb, table, TENSOR_SPARSITY).at != 0;
    t->scales = fb_vector(fb, quantization, QUANTIZATION_SCALE, 4);
    t->zero_points = fb_vector(fb, quantization, QUANTIZATION_ZERO_POINT, 8);
    t->quantized_dimension = fb_i32(fb, quantization, QUANTIZATION_DIMENSION, 0);
    t->first = K_NEVER;
    t->last = K_NEVER;
    t->keeper = K_NEVER;
    read_shape(fb, fb_vector(fb, table, TENSOR_SHAPE, 4), t);
    if (!fb->bad && buffer >= parts->buffers.n)
        return k_refuse_tensor(l, CV_BAD_MODEL, index, "no such buffer");
    enum cv_status status = read_constant(l, fb_vector_table(fb, parts->buffers, buffer), index);
    return status == CV_OK && fb->bad ? refuse_file(l) : status;
}

static enum cv_status read_tensors(struct k_load *l, const struct parts *parts)
{
    l->graph->n_tensors = parts->tensors.n;
    for (uint32_t i = 0; i < parts->tensors.n; i++) {
        enum cv_status status = read_tensor(l, parts, i);
        if (status != CV_OK)
            return status;
    }
    return CV_OK;
}

static enum cv_status read_inputs(struct k_load *l, struct fb_vector inputs)
{
    struct k_graph *g = l->graph;
    g->n_inputs = inputs.n;
    for (uint32_t i = 0; i < inputs.n; i++) {
        uint32_t tensor = (uint32_t)fb_vector_i32(&g->file, inputs, i);
        if (tensor >= g->n_tensors)
            return k_refuse_number(l, CV_BAD_MODEL, "no such tensor for model input", i);
        if (g->tensors[tensor].constant != NULL || g->tensors[tensor].first != K_NEVER)
            return k_refuse_tensor(l, CV_BAD_MODEL, tensor, "is a constant or a model input twice");
        if (g->tensors[tensor].is_variable)
            return k_refuse_tensor(l, CV_BAD_MODEL, tensor, "is a variable and a model input");
        g->inputs[i] = tensor;
        g->tensors[tensor].first = -1;
        g->tensors[tensor].last = -1; /* nobody may read it, and still it is written with the others */
    }
    return CV_OK;
}

static enum cv_status read_outputs(struct k_load *l, struct fb_vector outputs)
{
    struct k_graph *g = l->graph;
    g->n_outputs = outputs.n;
    for (uint32_t i = 0; i < outputs.n; i++) {
        uint32_t tensor = (uint32_t)fb_vector_i32(&g->file, outputs, i);
        if (tensor >= g->n_tensors || g->tensors[tensor].first == K_NEVER)
            return k_refuse_number(l, CV_BAD_MODEL, "nothing computes model output", i);
        if (g->tensors[tensor].type == K_RESOURCE)
            return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "a handle of a variable as model output");
        g->outputs[i] = tensor;
        g->tensors[tensor].last = K_FOREVER;
    }
    return CV_OK;
}

static bool may_be_input(uint8_t type)
{
    return type == K_INT8 || type == K_UINT8 || type == K_INT16 || type == K_INT32 || type == K_BOOL ||
           type == K_FLOAT32 || type == K_UINT32 || type == K_UINT64;
}

/* Checked here because every input is written by the host: an op that reads it checks it as well. */
static enum cv_status check_inputs(struct k_load *l)
{
    for (uint32_t i = 0; i < l->graph->n_inputs; i++) {
        const struct k_tensor *t = &l->graph->tensors[l->graph->inputs[i]];
        if (!may_be_input(t->type))
            return k_refuse_tensor(l, CV_UNSUPPORTED, l->graph->inputs[i], "a model input of this type");
        if (t->n_bytes == 0)
            return k_refuse_tensor(l, CV_UNSUPPORTED, l->graph->inputs[i], "dynamic, empty or too large");
    }
    return CV_OK;
}

uint32_t k_model_builtin(struct fb_reader *fb, struct fb_vector codes, struct fb_table op)
{
    uint32_t code = fb_u32(fb, op, OPERATOR_CODE, 0);
    if (code >= codes.n)
        return K_NONE;
    struct fb_table entry = fb_vector_table(fb, codes, code);
    uint32_t deprecated = fb_u8(fb, entry, CODE_DEPRECATED_BUILTIN, 0);
    uint32_t builtin = fb_u32(fb, entry, CODE_BUILTIN, 0);
    return deprecated > builtin ? deprecated : builtin;
}

static enum cv_status find_kind(struct k_load *l, const struct parts *parts, struct fb_table table,
                                struct k_op *op)
{
    struct fb_reader *fb = &l->graph->file;
    uint32_t code = fb_u32(fb, table, OPERATOR_CODE, 0);
    if (fb->bad)
        return refuse_file(l);
    if (code >= parts->codes.n)
        return k_refuse(l, CV_BAD_MODEL, "no such operator code");
    struct fb_vector custom = fb_vector(fb, fb_vector_table(fb, parts->codes, code), CODE_CUSTOM, 1);
    uint32_t builtin = k_model_builtin(fb, parts->codes, table);
    if (fb->bad)
        return refuse_file(l);
    op->kind = builtin == BUILTIN_CUSTOM ? k_operator_find_custom(fb->data + custom.at, custom.n)
                                         : k_operator_find(builtin);
    return op->kind == NULL ? k_refuse_operator(l, builtin, custom) : CV_OK;
}

/* Too many for the operator is no model; more than this engine takes where there may be any number is a limit. */
static enum cv_status refuse_count(struct k_load *l, const char *what, uint32_t n, uint32_t most,
                                   uint32_t limit)
{
    return k_refuse_number(l, n > most && most == limit ? CV_UNSUPPORTED : CV_BAD_MODEL, what, n);
}

static enum cv_status read_op_inputs(struct k_load *l, struct fb_vector inputs, struct k_op *op)
{
    struct k_graph *g = l->graph;
    if (inputs.n < op->kind->min_inputs || inputs.n > op->kind->max_inputs)
        return refuse_count(l, "inputs:", inputs.n, op->kind->max_inputs, K_MAX_INPUTS);
    op->n_inputs = inputs.n;
    op->inputs = k_alloc(l, (uint64_t)inputs.n * sizeof *op->inputs);
    if (op->inputs == NULL)
        return CV_NO_ARENA;
    for (uint32_t i = 0; i < inputs.n; i++) {
        op->inputs[i] = K_NONE;
        int32_t tensor = fb_vector_i32(&g->file, inputs, i);
        if (tensor == -1 && i >= op->kind->min_inputs)
            continue;
        if (tensor < 0 || (uint32_t)tensor >= g->n_tensors)
            return k_refuse_number(l, CV_BAD_MODEL, "no such tensor:", tensor);
        struct k_tensor *t = &g->tensors[tensor];
        if (t->constant == NULL && t->first == K_NEVER && !t->is_variable)
            return k_refuse_tensor(l, CV_BAD_MODEL, (uint32_t)tensor, "is read before it is written");
        if (t->is_sparse)
            return k_refuse_tensor(l, CV_UNSUPPORTED, (uint32_t)tensor, "sparse");
        op->inputs[i] = (uint32_t)tensor;
        if (!t->is_variable && t->keeper == K_NEVER) /* what is kept lives for ever: state.h */
            t->last = (int32_t)l->op;
    }
    return CV_OK;
}

static enum cv_status read_op_output(struct k_load *l, uint32_t tensor)
{
    struct k_graph *g = l->graph;
    if (tensor >= g->n_tensors)
        return k_refuse(l, CV_BAD_MODEL, "no such output tensor");
    struct k_tensor *t = &g->tensors[tensor];
    if (t->constant != NULL || t->first != K_NEVER)
        return k_refuse_tensor(l, CV_BAD_MODEL, tensor, "is a constant, an input, or written twice");
    if (t->is_sparse)
        return k_refuse_tensor(l, CV_UNSUPPORTED, tensor, "sparse");
    t->first = (int32_t)l->op;
    t->last = (int32_t)l->op;
    return CV_OK;
}

static enum cv_status read_op_outputs(struct k_load *l, struct fb_vector outputs, struct k_op *op)
{
    enum cv_status status = CV_OK;
    if ((outputs.n == 0 && op->kind->max_outputs > 0) || outputs.n > op->kind->max_outputs)
        return refuse_count(l, "outputs:", outputs.n, op->kind->max_outputs, K_MAX_OUTPUTS);
    op->n_outputs = outputs.n;
    op->outputs = k_alloc(l, (uint64_t)outputs.n * sizeof *op->outputs);
    if (op->outputs == NULL)
        return CV_NO_ARENA;
    for (uint32_t i = 0; status == CV_OK && i < outputs.n; i++) {
        op->outputs[i] = (uint32_t)fb_vector_i32(&l->graph->file, outputs, i);
        status = read_op_output(l, op->outputs[i]);
    }
    op->output = outputs.n > 0 ? op->outputs[0] : K_NONE;
    l->graph->n_written += outputs.n;
    return status;
}

static enum cv_status read_op_options(struct k_load *l, struct fb_table table, struct k_op *op)
{
    struct fb_reader *fb = &l->graph->file;
    uint8_t type = fb_u8(fb, table, OPERATOR_OPTIONS_TYPE, 0);
    op->options = fb_table(fb, table, OPERATOR_OPTIONS);
    op->custom = fb_vector(fb, table, OPERATOR_CUSTOM_OPTIONS, 1);
    if (fb->bad)
        return refuse_file(l);
    if (op->options.at != 0 && type != op->kind->options_type)
        return k_refuse_number(l, CV_BAD_MODEL, "options of the wrong type", type);
    return CV_OK;
}

static enum cv_status read_operator(struct k_load *l, const struct parts *parts, uint32_t index)
{
    struct fb_reader *fb = &l->graph->file;
    struct k_op *op = &l->graph->ops[index];
    l->op = index;
    struct fb_table table = fb_vector_table(fb, parts->operators, index);
    struct fb_vector inputs = fb_vector(fb, table, OPERATOR_INPUTS, 4);
    struct fb_vector outputs = fb_vector(fb, table, OPERATOR_OUTPUTS, 4);
    enum cv_status status = find_kind(l, parts, table, op);
    if (status == CV_OK)
        status = read_op_inputs(l, inputs, op);
    if (status == CV_OK)
        status = read_op_outputs(l, outputs, op);
    if (status == CV_OK)
        status = read_op_options(l, table, op);
    if (status == CV_OK)
        status = op->kind->prepare(l, op);
    if (status == CV_OK)
        status = k_check_variables(l, op);
    return status == CV_OK && fb->bad ? refuse_file(l) : status;
}

static enum cv_status read_operators(struct k_load *l, const struct parts *parts)
{
    l->graph->n_ops = parts->operators.n;
    for (uint32_t i = 0; i < parts->operators.n; i++) {
        enum cv_status status = read_operator(l, parts, i);
        if (status != CV_OK)
            return status;
    }
    l->op = CV_NO_DETAIL;
    return CV_OK;
}

enum cv_status k_model_read(struct k_load *l, const uint8_t *model, uint32_t size)
{
    struct parts parts;
    fb_open(&l->graph->file, model, size);
    enum cv_status status = open_model(l, &parts);
    if (status == CV_OK)
        status = allocate_tables(l, &parts);
    if (status == CV_OK)
        status = read_tensors(l, &parts);
    if (status == CV_OK)
        status = read_inputs(l, parts.inputs);
    if (status == CV_OK)
        status = read_operators(l, &parts);
    if (status == CV_OK)
        status = k_resources_check(l);
    if (status == CV_OK)
        status = check_inputs(l);
    if (status == CV_OK)
        status = read_outputs(l, parts.outputs);
    return status;
}
