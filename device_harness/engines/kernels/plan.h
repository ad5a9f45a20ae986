/* Where in the arena does each computed tensor stand? Greedy placement with lifetimes and reuse.
 *
 * Two tensors share bytes only if no operator needs both: a tensor lives from the op that writes it
 * (model inputs: from the start) through the last op that reads it (model outputs: to the end), both
 * included; what operators keep between invocations (state.h) lives always. So an op's inputs are whole while it runs, and its output can be read until the next op runs.
 * Placement: largest first, each at the lowest offset free of all tensors placed before that it overlaps
 * in time. O(n^2) for n computed tensors, and n <= K_MAX_OPERATORS + K_MAX_ENDS.
 */
#ifndef COVERIFY_PLAN_H
#define COVERIFY_PLAN_H

#include "graph.h"

/* Places all computed tensors behind l->used and counts them in it; CV_NO_ARENA: detail = bytes needed. */
enum cv_status k_plan(struct k_load *l);

#endif
