/* Which subgraphs may CALL_ONCE run? Those that assign variables what they hold after a reset anyway.
 *
 * Converters write such ones. TFLM does not run it again after a reset, so that any other value would make a reset
 * differ from a start: it is refused, as is a handle of which it is not certain whose it is. Nothing is left to do
 * when the network runs.
 */
#ifndef COVERIFY_CALL_ONCE_H
#define COVERIFY_CALL_ONCE_H

#include "graph.h"

/* Needs that all operators are read. */
enum cv_status k_call_once_check(struct k_load *l, const struct k_op *op);

#endif
