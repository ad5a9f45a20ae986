/* From integers of one type and scale to another, element by element: where no table of 256 outputs will do.
 *
 * y = z_y + (x - z_x) times a multiplier, one for each side of z_x, clamped. An element for which TFLM would leave
 * int32 ends the run.
 */
#ifndef COVERIFY_RESCALE_H
#define COVERIFY_RESCALE_H

#include "graph.h"

struct k_rescale_side {
    int32_t multiplier;
    int32_t shift;
    int32_t sign;
};

struct k_rescale {
    uint8_t from; /* INT8, UINT8, INT16 or INT32 */
    uint8_t to;   /* likewise */
    int32_t z_in;
    int32_t z_out;
    struct k_rescale_side below; /* of x < z_in */
    struct k_rescale_side above;
};

/* False: it leaves int32. */
bool k_rescaled(const struct k_rescale *p, int32_t x, int32_t *y);

/* Allocates the plan of an operator whose input and output are of one shape and of the types above; sets op->plan
 * and fills all but the sides. */
enum cv_status k_rescale_prepare(struct k_load *l, struct k_op *op, struct k_rescale **plan);

/* Refuses a plan of INT8 or INT16 inputs some of which would leave int32. */
enum cv_status k_rescale_check(struct k_load *l, const struct k_rescale *p);

enum cv_status k_rescale_run(const struct k_graph *g, const struct k_op *op);

#endif
