/* What does the engine know of a loaded model? Tensors, operators, and where everything stands.
 *
 * Everything but struct k_graph itself is allocated from the arena. An operator is one row of the table in
 * operators.c: `prepare` runs once at load time and may refuse, `run` is integer arithmetic only.
 */
#ifndef COVERIFY_GRAPH_H
#define COVERIFY_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine.h"
#include "flatbuffer.h"

/* Limits of this engine; a model beyond them is refused with CV_UNSUPPORTED. */
#define K_MAX_RANK 6u
#define K_MAX_TENSORS 4096u
#define K_MAX_OPERATORS 1024u
#define K_MAX_ENDS 16u                 /* model inputs, and model outputs */
#define K_MAX_INPUTS 16u               /* of an operator that joins as many as there are */
#define K_MAX_OUTPUTS 16u              /* of an operator that parts into as many as there are */
#define K_MAX_TENSOR_BYTES 0x10000000u /* 2^28 */
#define K_MAX_MACS ((uint64_t)1 << 34) /* multiplications of one inference: keeps a run finite */
#define K_NONE 0xFFFFFFFFu             /* no such tensor: an optional input that is left out */

/* TensorType of the .tflite schema, as far as it is named here. */
enum k_type {
    K_FLOAT32 = 0,
    K_INT32 = 2,
    K_UINT8 = 3,
    K_INT64 = 4,
    K_BOOL = 6,
    K_INT16 = 7,
    K_INT8 = 9,
    K_UINT64 = 12,
    K_RESOURCE = 13,
    K_UINT32 = 15
};

struct k_tensor {
    uint8_t type;
    uint8_t rank;
    bool is_variable;
    bool is_sparse;
    int32_t dims[K_MAX_RANK];
    uint32_t n_elements;          /* 0: a dimension is unknown, zero, or beyond the limits */
    uint32_t n_bytes;             /* 0: as above, or a type whose width we do not know */
    struct fb_vector scales;      /* float */
    struct fb_vector zero_points; /* int64 */
    int32_t quantized_dimension;
    const uint8_t *constant; /* in the model file, n_bytes long; NULL: computed */
    uint8_t *data;           /* in the arena; NULL: constant or never used */
    int32_t first;           /* op that writes it; -1: a model input or kept; K_NEVER: nobody */
    int32_t last;            /* last op that reads it; K_FOREVER: a model output or kept */
    int32_t keeper;          /* of a variable: the op that keeps it (state.h); K_NEVER: none */
    bool is_shown;           /* its keeper writes it as an output, which others may read */
};

#define K_NEVER (-2)
#define K_FOREVER INT32_MAX

struct k_operator;
struct k_resource;

struct k_op {
    const struct k_operator *kind;
    uint32_t n_inputs;
    uint32_t *inputs; /* n_inputs tensor indices or K_NONE */
    uint32_t n_outputs;
    uint32_t *outputs;       /* n_outputs tensor indices */
    uint32_t output;         /* the first of them; K_NONE: there is none */
    struct fb_table options; /* at = 0: absent */
    struct fb_vector custom; /* options of a custom operator: bytes */
    void *plan;              /* what `prepare` left for `run` */
    int8_t *kept;            /* bytes that it keeps beside tensors (state.h); NULL: none */
    uint32_t n_kept;
};

struct k_graph {
    struct fb_reader file;
    struct k_tensor *tensors;
    uint32_t n_tensors;
    struct k_op *ops;
    uint32_t n_ops;
    uint32_t n_written;           /* outputs of all operators */
    uint32_t n_kept;              /* variables that operators keep */
    struct k_resource *resources; /* variables that have a name: resource.h */
    uint32_t inputs[K_MAX_ENDS];
    uint32_t n_inputs;
    uint32_t outputs[K_MAX_ENDS];
    uint32_t n_outputs;
};

/* A model being loaded. */
struct k_load {
    struct k_graph *graph;
    uint8_t *arena;
    uint32_t capacity;
    uint32_t used;
    uint32_t op; /* the operator at hand; CV_NO_DETAIL: none */
    uint64_t macs;
    struct cv_refusal *why;
};

struct k_operator {
    uint32_t builtin;      /* BuiltinOperator of the schema */
    uint32_t options_type; /* BuiltinOptions of the schema */
    uint32_t min_inputs;
    uint32_t max_inputs;
    uint32_t max_outputs;
    enum cv_status (*prepare)(struct k_load *l, struct k_op *op);
    enum cv_status (*run)(const struct k_graph *g, const struct k_op *op);
};

/* 16-byte aligned bytes of the arena, zeroed; NULL: it is full, and the load has been refused. */
void *k_alloc(struct k_load *l, uint64_t n);

/* The bytes of a tensor, wherever they are. */
static inline const int8_t *k_read(const struct k_graph *g, uint32_t tensor)
{
    const struct k_tensor *t = &g->tensors[tensor];
    return (const int8_t *)(t->constant != NULL ? t->constant : t->data);
}

static inline int8_t *k_write(const struct k_graph *g, uint32_t tensor)
{
    return (int8_t *)g->tensors[tensor].data;
}

#endif
