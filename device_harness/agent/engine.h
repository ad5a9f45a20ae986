/* What must an inference engine give so that the agent can serve it over the link?
 *
 * One model at a time; the engine keeps no memory besides `arena` and small static state of its own.
 * `load` comes first; the other functions are called only after a load that returned CV_OK. The bytes of
 * model and arena stay in place and the model bytes stay unchanged until the next load.
 * Tensors and operators are named by their index in the .tflite file, whatever the engine does inside.
 */
#ifndef COVERIFY_ENGINE_H
#define COVERIFY_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "message.h"
#include "protocol.h"

#define CV_NO_DETAIL 0xFFFFFFFFu

/* Why a load or a run was refused. */
struct cv_refusal {
    uint32_t detail; /* op index, bytes needed, or CV_NO_DETAIL: see enum cv_status */
    struct cv_message message;
};

struct cv_model_facts {
    uint32_t n_operators;
    uint32_t n_tensors;
    uint32_t arena_used; /* bytes */
    uint32_t n_inputs;
    uint32_t n_outputs;
};

/* The bytes of one tensor in memory. */
struct cv_span {
    uint8_t *data;
    uint32_t n;
};

struct cv_engine {
    const char *name;     /* as HELLO reports it, ASCII */
    const char *rounding; /* the requantization it does: "double" (TFLM's default) or "single" */

    /* Reads and plans the model, which is untrusted. Needs arena aligned to 16 bytes.
     * CV_OK: facts are filled; else `why` is, and nothing is loaded. */
    enum cv_status (*load)(const uint8_t *model, uint32_t size, uint8_t *arena, uint32_t capacity,
                           struct cv_model_facts *facts, struct cv_refusal *why);

    uint32_t (*input)(uint32_t ordinal);  /* tensor index; needs ordinal < n_inputs */
    uint32_t (*output)(uint32_t ordinal); /* tensor index; needs ordinal < n_outputs */

    uint32_t (*op_n_outputs)(uint32_t op);
    uint32_t (*op_output)(uint32_t op, uint32_t ordinal); /* tensor index */

    /* Where a model input, a model output or an output of the op just run is; false: no such tensor in
     * the arena. Inputs may be written before op 0 runs; an op's outputs hold until the next op runs;
     * model outputs hold to the end. */
    bool (*tensor)(uint32_t index, struct cv_span *span);

    /* Runs one operator; ops run in order, 0 first. CV_OK or CV_ENGINE with `why` filled. */
    enum cv_status (*run)(uint32_t op, struct cv_refusal *why);

    /* What operators keep from one invocation to the next becomes what it is after a load; the inputs keep
     * their bytes. Called before op 0 only. CV_OK or CV_ENGINE with `why` filled. */
    enum cv_status (*reset)(struct cv_refusal *why);
};

/* The engine that the program is linked with: each folder of engines/ defines it. */
extern const struct cv_engine cv_engine_linked;

#endif
