/* Operators that are a function of one int8: a table of 256 outputs, filled at load time.
 *
 * TFLM computes some of them element by element; the table holds the same numbers, and an element for which
 * TFLM would overflow refuses the model.
 */
#ifndef COVERIFY_LOOKUP_H
#define COVERIFY_LOOKUP_H

#include "graph.h"

struct k_lookup {
    int8_t values[256]; /* of x: values[x + 128] */
};

/* Checks that input and output are INT8 of one shape; allocates the table and sets op->plan to it. */
enum cv_status k_lookup_prepare(struct k_load *l, struct k_op *op, struct k_lookup **table);

/* The same, but the output, of elements of one byte, is the caller's to check. */
enum cv_status k_lookup_prepare_any(struct k_load *l, struct k_op *op, struct k_lookup **table);

/* x * multiplier * 2^(shift - 31); refuses an x whose left shift leaves int32. */
enum cv_status k_lookup_scaled(struct k_load *l, int32_t x, int32_t multiplier, int32_t shift, int32_t *y);

/* Every lookup operator's run. */
enum cv_status k_lookup_run(const struct k_graph *g, const struct k_op *op);

#endif
