/* struct cv_engine over the graph: see kernels.h and engine.h. */
#include "kernels.h"

#include <string.h>

#include "graph.h"
#include "model.h"
#include "plan.h"
#include "refuse.h"
#include "resource.h"
#include "state.h"

static struct k_graph graph;

static enum cv_status load(const uint8_t *model, uint32_t size, uint8_t *arena, uint32_t capacity,
                           struct cv_model_facts *facts, struct cv_refusal *why)
{
    struct k_load l = {&graph, arena, capacity, 0, CV_NO_DETAIL, 0, why};
    memset(&graph, 0, sizeof graph);
    if (size > INT32_MAX)
        return k_refuse(&l, CV_UNSUPPORTED, "a file of 2 GiB or more");
    enum cv_status status = k_model_read(&l, model, size);
    if (status == CV_OK)
        status = k_plan(&l);
    if (status != CV_OK)
        return status;
    k_state_reset(&graph);
    k_resources_reset(&graph);
    facts->n_operators = graph.n_ops;
    facts->n_tensors = graph.n_tensors;
    facts->arena_used = l.used;
    facts->n_inputs = graph.n_inputs;
    facts->n_outputs = graph.n_outputs;
    return CV_OK;
}

static uint32_t input(uint32_t ordinal)
{
    return graph.inputs[ordinal];
}

static uint32_t output(uint32_t ordinal)
{
    return graph.outputs[ordinal];
}

static uint32_t op_n_outputs(uint32_t op)
{
    return op < graph.n_ops ? graph.ops[op].n_outputs : 0;
}

static uint32_t op_output(uint32_t op, uint32_t ordinal)
{
    return graph.ops[op].outputs[ordinal];
}

static bool tensor(uint32_t index, struct cv_span *span)
{
    if (index >= graph.n_tensors || graph.tensors[index].data == NULL)
        return false;
    span->data = graph.tensors[index].data;
    span->n = graph.tensors[index].n_bytes;
    return true;
}

static enum cv_status run(uint32_t op, struct cv_refusal *why)
{
    const struct k_op *o = &graph.ops[op];
    enum cv_status status = o->kind->run(&graph, o);
    if (status != CV_OK) {
        why->detail = op;
        cv_message_clear(&why->message);
        cv_message_text(&why->message, k_operator_name(o->kind->builtin));
        cv_message_text(&why->message, ": failed while running");
    }
    return status;
}

static enum cv_status reset(struct cv_refusal *why)
{
    (void)why;
    k_state_reset(&graph);
    k_resources_reset(&graph);
    return CV_OK;
}

const struct cv_engine cv_engine_linked = {
    "coverify-kernels", "double", load, input, output, op_n_outputs, op_output, tensor, run, reset,
};
