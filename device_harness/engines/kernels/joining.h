/* What do CONCATENATION and PACK share? The output is a sequence of rows, each a piece of every input. */
#ifndef COVERIFY_JOINING_H
#define COVERIFY_JOINING_H

#include "graph.h"

/* All inputs are of the output's movable type; INT8 ones are quantized alike where `quantized`. */
enum cv_status k_joining_check(struct k_load *l, const struct k_op *op, bool quantized);

/* Sets op->plan; `rows`: the product of the dimensions before the axis. The inputs' sizes must add up. */
enum cv_status k_joining_prepare(struct k_load *l, struct k_op *op, uint32_t rows);

enum cv_status k_joining_run(const struct k_graph *g, const struct k_op *op);

#endif
