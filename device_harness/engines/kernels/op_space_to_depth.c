/* SPACE_TO_DEPTH and DEPTH_TO_SPACE: the pixels of a block one behind the other in the channels, and back.
 *
 * Source: TFLM space_to_depth.cc, depth_to_space.cc and their reference headers.
 */
#include "channels.h"
#include "movement.h"
#include "operators.h"
#include "refuse.h"
#include "schema.h"

#define MAX_BLOCK 4096

/* Positions are batch, row, row in the block, column, column in the block, channel. */
static void prepare_strides(const struct k_tensor *deep, int32_t block, int32_t of_image[K_MAX_RANK],
                            int32_t of_deep[K_MAX_RANK])
{
    int32_t depth = deep->dims[3] / (block * block);
    int32_t row = deep->dims[2] * block * depth;
    const int32_t image[K_MAX_RANK] = {
        deep->dims[1] * block * row, block * row, row, block * depth, depth, 1};
    const int32_t small[K_MAX_RANK] = {
        deep->dims[1] * block * row, block * row, block * depth, deep->dims[3], depth, 1};
    for (uint32_t i = 0; i < K_MAX_RANK; i++) {
        of_image[i] = image[i];
        of_deep[i] = small[i];
    }
}

static enum cv_status check(struct k_load *l, const struct k_op *op, uint32_t image, uint32_t deep,
                            int32_t block)
{
    const struct k_tensor *a = &l->graph->tensors[image];
    const struct k_tensor *b = &l->graph->tensors[deep];
    enum cv_status status = k_check_moved_of_few_types(l, op->inputs[0], op->output);
    if (status == CV_OK && (a->rank != 4 || b->rank != 4))
        status = k_refuse(l, CV_UNSUPPORTED, "input and output have not four dimensions each");
    if (status == CV_OK && op->options.at == 0)
        status = k_refuse(l, CV_BAD_MODEL, "no options");
    if (status == CV_OK && (block < 1 || block > MAX_BLOCK))
        status = k_refuse_number(l, CV_UNSUPPORTED, "block", block);
    if (status != CV_OK)
        return status;
    int64_t side = block;
    if (a->dims[0] != b->dims[0] || a->dims[1] != b->dims[1] * side || a->dims[2] != b->dims[2] * side ||
        b->dims[3] != a->dims[3] * side * side)
        return k_refuse(l, CV_BAD_MODEL, "the block does not lead to the output's shape");
    return k_count_macs(l, a->n_elements);
}

/* image, deep: 0 for the input, 1 for the output. */
static enum cv_status prepare(struct k_load *l, struct k_op *op, uint32_t image, uint32_t deep)
{
    const uint32_t ends[] = {op->inputs[0], op->output};
    const struct k_tensor *small = &l->graph->tensors[ends[deep]];
    int32_t block = fb_i32(&l->graph->file, op->options, BLOCK_SIZE, 0);
    enum cv_status status = check(l, op, ends[image], ends[deep], block);
    struct k_copy *copy = status == CV_OK ? k_alloc(l, sizeof *copy) : NULL;
    if (copy == NULL)
        return status == CV_OK ? CV_NO_ARENA : status;
    op->plan = copy;
    const uint32_t dims[K_MAX_RANK] = {
        (uint32_t)small->dims[0], (uint32_t)small->dims[1],
        (uint32_t)block,          (uint32_t)small->dims[2],
        (uint32_t)block,          (uint32_t)small->dims[3] / ((uint32_t)block * (uint32_t)block)};
    copy->width = k_movable_width(small);
    copy->grid.rank = K_MAX_RANK;
    for (uint32_t i = 0; i < K_MAX_RANK; i++)
        copy->grid.dims[i] = dims[i];
    prepare_strides(small, block, copy->grid.stride[image], copy->grid.stride[deep]);
    return CV_OK;
}

enum cv_status k_space_to_depth_prepare(struct k_load *l, struct k_op *op)
{
    return prepare(l, op, 0, 1);
}

enum cv_status k_depth_to_space_prepare(struct k_load *l, struct k_op *op)
{
    return prepare(l, op, 1, 0);
}
