/* What do operators keep from one invocation to the next? Variable tensors, each with one keeper, or bytes of their own.
 *
 * The planner gives a kept tensor bytes of its own, which nothing shares at any time. An operator asks for its
 * variables in `prepare`; a variable that it touches and nobody keeps, or another one keeps unseen, refuses the
 * model. Source of the values after a reset: TFLM micro_interpreter_graph.cc, ResetTensorData.
 */
#ifndef COVERIFY_STATE_H
#define COVERIFY_STATE_H

#include "graph.h"

/* The operator at hand keeps this tensor, which must be a variable of known size that no other one keeps. */
enum cv_status k_keep(struct k_load *l, uint32_t tensor);

/* The operator at hand keeps this output of its own, which is no variable in the file; others may read it. */
enum cv_status k_keep_output(struct k_load *l, uint32_t tensor);

/* The operator at hand keeps n bytes that are no tensor, in op->kept: zeros after a reset. */
enum cv_status k_keep_bytes(struct k_load *l, struct k_op *op, uint64_t n);

/* After `prepare`: the operator touches no variable but its own and those that their keepers have written. */
enum cv_status k_check_variables(struct k_load *l, const struct k_op *op);

/* Every kept tensor as after the load: its zero point if it is INT8 and quantized, else zero bytes. */
void k_state_reset(const struct k_graph *g);

#endif
