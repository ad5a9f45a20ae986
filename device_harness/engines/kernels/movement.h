/* What do operators share that only move elements? Type checks, constant indices and a copy between grids. */
#ifndef COVERIFY_MOVEMENT_H
#define COVERIFY_MOVEMENT_H

#include "grid.h"

/* Bytes of an element that may be moved: INT8, INT16, INT32 or FLOAT32; 0 for every other type. */
uint32_t k_movable_width(const struct k_tensor *t);

/* Both tensors are of one movable type and of known size. */
enum cv_status k_check_moved(struct k_load *l, uint32_t input, uint32_t output);

/* The same, and the type is INT8 or FLOAT32: others some of TFLM's kernels do not move. */
enum cv_status k_check_moved_of_few_types(struct k_load *l, uint32_t input, uint32_t output);

enum cv_status k_check_same_shape(struct k_load *l, uint32_t input, uint32_t output);

/* A constant INT32 tensor of n elements; read them with k_integer. */
enum cv_status k_check_integers(struct k_load *l, uint32_t tensor, uint32_t n);

/* The same, but INT64 as well, of values within int32. */
enum cv_status k_check_integers_or_wide(struct k_load *l, uint32_t tensor, uint32_t n);
int32_t k_integer(const struct k_graph *g, uint32_t tensor, uint32_t i);

/* axis counted from the front; refuses one outside -rank ... rank - 1 */
enum cv_status k_check_axis(struct k_load *l, int32_t axis, uint32_t rank, uint32_t *from_front);

/* Elements that dimensions from ... to - 1 of a tensor count. */
uint32_t k_elements(const struct k_tensor *t, uint32_t from, uint32_t to);

/* Row-major strides of a tensor's shape, in elements. */
void k_strides(const struct k_tensor *t, int32_t stride[K_MAX_RANK]);

/* Copies between grids: stride[0] and start[0] are of the source, [1] of the destination. */
struct k_copy {
    struct k_grid grid;
    int32_t start[2];
    uint32_t width; /* bytes of an element */
};

void k_copy_run(const struct k_copy *copy, const int8_t *from, int8_t *to);

/* run of an operator whose plan is one k_copy from input 0 that covers the whole output */
enum cv_status k_copied_run(const struct k_graph *g, const struct k_op *op);

#endif
