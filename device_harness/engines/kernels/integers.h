/* ADD, SUB, MUL, DIV and SQUARED_DIFFERENCE of INT32 that stands for itself (sizes, counts, fixed point of a model's own).
 *
 * What leaves int32 and a division by zero, which TFLM leaves undefined, end the run with CV_ENGINE. ADD ignores its
 * fused activation, as in TFLM. Source: TFLM add.cc, sub.cc, mul_common.cc, div.cc,
 * squared_difference.cc.
 */
#ifndef COVERIFY_INTEGERS_H
#define COVERIFY_INTEGERS_H

#include "graph.h"

enum k_arithmetic { K_SUM, K_DIFFERENCE, K_PRODUCT, K_QUOTIENT, K_SQUARE };

/* Whether the operator writes INT32. */
bool k_writes_integers(const struct k_graph *g, const struct k_op *op);

/* activation: the field of the operator's options; K_SQUARE has none, whatever is given. */
enum cv_status k_integers_prepare(struct k_load *l, struct k_op *op, enum k_arithmetic kind,
                                  uint32_t activation);

enum cv_status k_integers_run(const struct k_graph *g, const struct k_op *op);

#endif
