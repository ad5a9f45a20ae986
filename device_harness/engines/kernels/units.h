/* What do ADD_N and CUMSUM share? Sums of one scale in units of 2^-19, requantized by a multiplier below one.
 *
 * TFLM starts both sums at -zero_point where 0 is meant; so does this. A sum that leaves int32 ends the run.
 * Source: TFLM add_n.cc, cumsum.cc, reference/add_n.h, cumsum.h.
 */
#ifndef COVERIFY_UNITS_H
#define COVERIFY_UNITS_H

#include "rescale.h"

struct k_units {
    int32_t z_in;
    struct k_rescale stage;
};

/* Needs k_check_int8 passed for input 0 and the output. */
enum cv_status k_units_prepare(struct k_load *l, const struct k_op *op, struct k_units *p);

/* total: the sum of x - z_in. False: it leaves int32. */
bool k_units_output(const struct k_units *p, int64_t total, int8_t *y);

#endif
