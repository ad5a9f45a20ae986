/* Which elements of two tensors meet in a binary operator? Shapes right-aligned, a size of 1 repeated. */
#ifndef COVERIFY_BROADCAST_H
#define COVERIFY_BROADCAST_H

#include "grid.h"

/* The size of a tensor on the i-th axis from the right, 1 in front of its own. */
int32_t k_size_from_right(const struct k_tensor *t, uint32_t i);

/* Strides over `rank` dimensions, not fewer than its own: 0 where a size of 1 is repeated. */
void k_broadcast_strides(const struct k_tensor *in, uint32_t rank, int32_t stride[K_MAX_RANK]);

/* Checks both inputs and the output, of known size, for shapes that go together, and fills the grid over the output with
 * the strides of input 0 and input 1. Counts the elements as multiplications. */
enum cv_status k_broadcast_grid(struct k_load *l, const struct k_op *op, struct k_grid *grid);

/* The same of three inputs: `first` has the strides of input 0, `others` of input 1 and input 2. Counts nothing. */
enum cv_status k_broadcast_three(struct k_load *l, const struct k_op *op, struct k_grid *first,
                                 struct k_grid *others);

/* The same of two, and that all are INT8. */
enum cv_status k_broadcast_prepare(struct k_load *l, const struct k_op *op, struct k_grid *grid);

#endif
