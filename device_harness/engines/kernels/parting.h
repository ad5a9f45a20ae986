/* What do SPLIT, SPLIT_V and UNPACK share? The input is a sequence of rows, each a piece for every output. */
#ifndef COVERIFY_PARTING_H
#define COVERIFY_PARTING_H

#include "graph.h"

/* Sets op->plan for the tensor `input`, cut on `axis`; the outputs' sizes must add up and be its otherwise.
 * `drops`: the outputs have no such axis (UNPACK). Needs axis < rank. */
enum cv_status k_parting_prepare(struct k_load *l, struct k_op *op, uint32_t input, uint32_t axis,
                                 bool drops);

enum cv_status k_parting_run(const struct k_graph *g, const struct k_op *op);

#endif
