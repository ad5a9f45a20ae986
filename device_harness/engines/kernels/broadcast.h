/* Which elements of two tensors meet in a binary operator? Shapes right-aligned, a size of 1 repeated. */
#ifndef COVERIFY_BROADCAST_H
#define COVERIFY_BROADCAST_H

#include "grid.h"

/* Checks both inputs and the output, of known size, for shapes that go together, and fills the grid over the output with
 * the strides of input 0 and input 1. Counts the elements as multiplications. */
enum cv_status k_broadcast_grid(struct k_load *l, const struct k_op *op, struct k_grid *grid);

/* The same of three inputs: `first` has the strides of input 0, `others` of input 1 and input 2. Counts nothing. */
enum cv_status k_broadcast_three(struct k_load *l, const struct k_op *op, struct k_grid *first,
                                 struct k_grid *others);

/* The same of two, and that all are INT8. */
enum cv_status k_broadcast_prepare(struct k_load *l, const struct k_op *op, struct k_grid *grid);

#endif
