/* What do MAXIMUM and MINIMUM share? Codes are taken over, quantization plays no part. */
#ifndef COVERIFY_EXTREME_H
#define COVERIFY_EXTREME_H

#include "graph.h"

enum cv_status k_extreme_run(const struct k_graph *g, const struct k_op *op);

#endif
