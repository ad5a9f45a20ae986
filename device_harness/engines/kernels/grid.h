/* How is a tensor walked whose elements do not lie in the order of the walk? A grid with two strides per axis.
 *
 * One position moves through the grid in row-major order and keeps two offsets, each a sum of strides times
 * coordinates: the two operands of a broadcast, or where an element comes from and where it goes.
 */
#ifndef COVERIFY_GRID_H
#define COVERIFY_GRID_H

#include "graph.h"

struct k_grid {
    uint32_t rank;
    uint32_t dims[K_MAX_RANK]; /* all > 0 */
    int32_t stride[2][K_MAX_RANK];
};

struct k_position {
    uint32_t at[K_MAX_RANK];
    int32_t offset[2];
};

/* The next position; after the last one the first again. Needs |stride| * dim < 2^30 on every axis. */
static inline void k_grid_advance(const struct k_grid *grid, struct k_position *p)
{
    for (uint32_t i = grid->rank; i > 0; i--) {
        p->offset[0] += grid->stride[0][i - 1];
        p->offset[1] += grid->stride[1][i - 1];
        if (++p->at[i - 1] < grid->dims[i - 1])
            return;
        p->offset[0] -= grid->stride[0][i - 1] * (int32_t)grid->dims[i - 1];
        p->offset[1] -= grid->stride[1][i - 1] * (int32_t)grid->dims[i - 1];
        p->at[i - 1] = 0;
    }
}

static inline uint32_t k_grid_size(const struct k_grid *grid)
{
    uint32_t n = 1;
    for (uint32_t i = 0; i < grid->rank; i++)
        n *= grid->dims[i];
    return n;
}

#endif
