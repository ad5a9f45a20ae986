/* Which operators does the engine have? One row each; an operator without a row is refused by name. */
#ifndef COVERIFY_OPERATORS_H
#define COVERIFY_OPERATORS_H

#include "graph.h"

/* NULL: not in this engine. */
const struct k_operator *k_operator_find(uint32_t builtin);

#define K_DECLARE(name)                                                                                      \
    enum cv_status k_##name##_prepare(struct k_load *l, struct k_op *op);                                    \
    enum cv_status k_##name##_run(const struct k_graph *g, const struct k_op *op)

K_DECLARE(add);
K_DECLARE(average_pool_2d);
K_DECLARE(conv_2d);
K_DECLARE(depthwise_conv_2d);
K_DECLARE(fully_connected);
K_DECLARE(max_pool_2d);
K_DECLARE(reshape);
K_DECLARE(softmax);

#endif
