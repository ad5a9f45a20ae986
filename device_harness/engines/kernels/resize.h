/* What do the two RESIZE operators share? Input and output are images; the second input is the output's size. */
#ifndef COVERIFY_RESIZE_H
#define COVERIFY_RESIZE_H

#include "graph.h"

/* One movable type, four dimensions, equal batch and channels, a constant size that is the output's, options. */
enum cv_status k_resize_check(struct k_load *l, const struct k_op *op);

#endif
